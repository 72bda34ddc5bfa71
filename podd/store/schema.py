"""The tables, as migrations that only go forward.

A state is a word in a column, held to its set by CHECK; what must be unique is a unique index: one
claim per GPU, one use per host port, one name per account. Times are epoch milliseconds, money is
nano-dollars, booleans are 0 and 1, columns that end in `_json` hold JSON.
"""

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

migrations = Migrations("podd")


def _script(db: Database, sql: str) -> None:
    # executescript would commit the migration's own transaction.
    for statement in filter(str.strip, sql.split(";")):
        db.execute(statement)


@migrations()  # type: ignore[untyped-decorator]
def m0001_accounts_workloads_endpoints_jobs(db: Database) -> None:
    _script(
        db,
        """
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

        CREATE TABLE accounts (
            id TEXT PRIMARY KEY,
            email TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            pub_key TEXT NOT NULL DEFAULT '',
            extras_json TEXT NOT NULL DEFAULT '{}',
            created_at INTEGER NOT NULL
        );

        CREATE TABLE api_keys (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            name TEXT NOT NULL,
            hash TEXT NOT NULL UNIQUE,
            created_at INTEGER NOT NULL,
            revoked_at INTEGER
        );

        CREATE TABLE gpus (
            uuid TEXT PRIMARY KEY,
            position INTEGER NOT NULL,
            type_id TEXT NOT NULL,
            memory INTEGER NOT NULL,
            simulated INTEGER NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('healthy', 'unhealthy')),
            present INTEGER NOT NULL
        );

        CREATE TABLE templates (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            name TEXT NOT NULL,
            image TEXT NOT NULL,
            args TEXT NOT NULL,
            disk INTEGER NOT NULL,
            volume INTEGER NOT NULL,
            volume_path TEXT NOT NULL,
            ports TEXT NOT NULL,
            env_json TEXT NOT NULL,
            serverless INTEGER NOT NULL,
            public INTEGER NOT NULL DEFAULT 0,
            registry_auth_id TEXT NOT NULL,
            endpoint_id TEXT NOT NULL DEFAULT '',
            extras_json TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            UNIQUE (account_id, name)
        );

        CREATE TABLE workloads (
            id TEXT PRIMARY KEY,
            kind TEXT NOT NULL CHECK (kind IN ('pod', 'worker')),
            account_id TEXT NOT NULL REFERENCES accounts (id),
            desired TEXT NOT NULL CHECK (desired IN ('RUNNING', 'STOPPED', 'FAILED', 'TERMINATED')),
            phase TEXT NOT NULL CHECK (phase IN ('NONE', 'PULLING', 'STARTING', 'RUNNING', 'EXITED')),
            generation INTEGER NOT NULL,
            image TEXT NOT NULL,
            entrypoint_json TEXT NOT NULL,
            command_json TEXT NOT NULL,
            env_json TEXT NOT NULL,
            ports TEXT NOT NULL,
            cpus INTEGER NOT NULL,
            memory INTEGER NOT NULL,
            disk INTEGER NOT NULL,
            volume INTEGER NOT NULL,
            volume_path TEXT NOT NULL,
            network_volume_id TEXT NOT NULL DEFAULT '',
            registry_auth_id TEXT NOT NULL DEFAULT '',
            grace REAL NOT NULL,
            container_id TEXT NOT NULL DEFAULT '',
            address TEXT NOT NULL DEFAULT '',
            started_at INTEGER,
            exited_at INTEGER,
            exit_code INTEGER,
            restarts INTEGER NOT NULL DEFAULT 0,
            failures INTEGER NOT NULL DEFAULT 0,
            retry_at INTEGER NOT NULL DEFAULT 0,
            restart_at INTEGER NOT NULL DEFAULT 0,
            reason TEXT NOT NULL DEFAULT '',
            created_at INTEGER NOT NULL,
            changed_at INTEGER NOT NULL,
            changed_by TEXT NOT NULL
        );
        CREATE INDEX workloads_by_account ON workloads (account_id, kind);

        CREATE TABLE claims (
            gpu_uuid TEXT PRIMARY KEY REFERENCES gpus (uuid),
            workload_id TEXT NOT NULL REFERENCES workloads (id),
            since INTEGER NOT NULL
        );
        CREATE INDEX claims_by_workload ON claims (workload_id);

        CREATE TABLE published_ports (
            host_port INTEGER PRIMARY KEY,
            workload_id TEXT NOT NULL REFERENCES workloads (id),
            container_port INTEGER NOT NULL,
            protocol TEXT NOT NULL,
            UNIQUE (workload_id, container_port, protocol)
        );

        CREATE TABLE pods (
            id TEXT PRIMARY KEY REFERENCES workloads (id),
            name TEXT NOT NULL,
            template_id TEXT NOT NULL,
            args TEXT NOT NULL,
            ports TEXT NOT NULL,
            gpu_type_id TEXT NOT NULL,
            gpu_count INTEGER NOT NULL,
            bid INTEGER,
            price INTEGER NOT NULL,
            cloud_type TEXT NOT NULL,
            cpu_flavor_id TEXT NOT NULL DEFAULT '',
            locked INTEGER NOT NULL DEFAULT 0,
            stop_after INTEGER,
            terminate_after INTEGER
        );

        CREATE TABLE endpoints (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            name TEXT NOT NULL,
            template_id TEXT NOT NULL REFERENCES templates (id),
            gpu_ids TEXT NOT NULL,
            gpu_count INTEGER NOT NULL,
            idle_timeout_s INTEGER NOT NULL,
            scaler TEXT NOT NULL CHECK (scaler IN ('QUEUE_DELAY', 'REQUEST_COUNT')),
            scaler_value INTEGER NOT NULL,
            workers_min INTEGER NOT NULL,
            workers_max INTEGER NOT NULL,
            execution_timeout_ms INTEGER NOT NULL,
            flash_boot TEXT NOT NULL,
            version INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            completed INTEGER NOT NULL DEFAULT 0,
            failed INTEGER NOT NULL DEFAULT 0,
            retried INTEGER NOT NULL DEFAULT 0,
            throttled INTEGER NOT NULL DEFAULT 0,
            image_ready INTEGER NOT NULL DEFAULT 0,
            extras_json TEXT NOT NULL
        );
        CREATE INDEX endpoints_by_account ON endpoints (account_id);
        CREATE INDEX endpoints_by_template ON endpoints (template_id);

        CREATE TABLE workers (
            id TEXT PRIMARY KEY REFERENCES workloads (id),
            endpoint_id TEXT NOT NULL REFERENCES endpoints (id),
            version INTEGER NOT NULL,
            ready_at INTEGER,
            idle_since INTEGER,
            doors_closed INTEGER NOT NULL DEFAULT 0,
            crashes INTEGER NOT NULL DEFAULT 0,
            unhealthy_until INTEGER,
            gave_up INTEGER NOT NULL DEFAULT 0
        );
        CREATE INDEX workers_by_endpoint ON workers (endpoint_id);

        CREATE TABLE jobs (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            endpoint_id TEXT NOT NULL REFERENCES endpoints (id),
            status TEXT NOT NULL CHECK (
                status IN ('IN_QUEUE', 'IN_PROGRESS', 'COMPLETED', 'FAILED', 'CANCELLED', 'TIMED_OUT')),
            sync INTEGER NOT NULL,
            rank INTEGER NOT NULL,
            attempt INTEGER NOT NULL DEFAULT 0,
            retries INTEGER NOT NULL DEFAULT 0,
            submitted_at INTEGER NOT NULL,
            enqueued_at INTEGER NOT NULL,
            taken_at INTEGER,
            seen_at INTEGER,
            ended_at INTEGER,
            worker_id TEXT NOT NULL DEFAULT '',
            execution_timeout INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            forget_at INTEGER,
            stop_asked_at INTEGER,
            stop_sent_at INTEGER,
            body_json TEXT NOT NULL,
            progress_json TEXT,
            output_json TEXT,
            error TEXT
        );
        CREATE INDEX jobs_queued ON jobs (endpoint_id, rank, seq) WHERE status = 'IN_QUEUE';
        CREATE INDEX jobs_held ON jobs (worker_id) WHERE status = 'IN_PROGRESS';
        CREATE INDEX jobs_running ON jobs (endpoint_id) WHERE status = 'IN_PROGRESS';
        CREATE INDEX jobs_to_stop ON jobs (worker_id) WHERE stop_asked_at IS NOT NULL;
        CREATE INDEX jobs_by_endpoint ON jobs (endpoint_id);
        CREATE INDEX jobs_expiring ON jobs (expires_at) WHERE status IN ('IN_QUEUE', 'IN_PROGRESS');
        CREATE INDEX jobs_to_forget ON jobs (forget_at) WHERE forget_at IS NOT NULL;

        CREATE TABLE network_volumes (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            name TEXT NOT NULL,
            size INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            deleted_at INTEGER
        );
        CREATE INDEX network_volumes_by_account ON network_volumes (account_id);

        CREATE TABLE registry_credentials (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            name TEXT NOT NULL,
            username TEXT NOT NULL,
            sealed_password TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            UNIQUE (account_id, name)
        );

        CREATE TABLE secrets (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            name TEXT NOT NULL,
            description TEXT NOT NULL,
            sealed_value TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            UNIQUE (account_id, name)
        );

        CREATE TABLE events (
            id INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            subject TEXT NOT NULL,
            kind TEXT NOT NULL,
            text TEXT NOT NULL
        );
        CREATE INDEX events_by_subject ON events (subject, id);
        """,
    )


@migrations()  # type: ignore[untyped-decorator]
def m0002_how_far_network_volumes_are(db: Database) -> None:
    """`made` is the size in GB that a volume's files have by now, 0 before they are made; `problem`,
    `failures` and `retry_at` are about the last try to grow or remove them."""
    _script(
        db,
        """
        ALTER TABLE network_volumes ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE network_volumes ADD COLUMN problem TEXT NOT NULL DEFAULT '';
        ALTER TABLE network_volumes ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE network_volumes ADD COLUMN retry_at INTEGER NOT NULL DEFAULT 0
        """,
    )


@migrations()  # type: ignore[untyped-decorator]
def m0003_gpu_health_and_duty(db: Database) -> None:
    _script(
        db,
        """
        ALTER TABLE gpus ADD COLUMN health TEXT NOT NULL DEFAULT 'healthy'
            CHECK (health IN ('healthy', 'unhealthy', 'unknown'));
        UPDATE gpus SET health = state;
        ALTER TABLE gpus DROP COLUMN state;
        ALTER TABLE gpus ADD COLUMN reason TEXT NOT NULL DEFAULT '';
        ALTER TABLE gpus ADD COLUMN fault TEXT NOT NULL DEFAULT '';
        ALTER TABLE gpus ADD COLUMN duty TEXT NOT NULL DEFAULT 'serving'
            CHECK (duty IN ('serving', 'cordoned', 'draining'));
        ALTER TABLE gpus ADD COLUMN parent TEXT NOT NULL DEFAULT '';
        ALTER TABLE gpus ADD COLUMN ecc INTEGER NOT NULL DEFAULT 0;

        ALTER TABLE pods ADD COLUMN own_gpu_count INTEGER NOT NULL DEFAULT 0;
        UPDATE pods SET own_gpu_count = gpu_count;
        ALTER TABLE pods ADD COLUMN min_vcpus INTEGER;
        ALTER TABLE pods ADD COLUMN min_memory INTEGER;

        ALTER TABLE workloads ADD COLUMN last_started_at INTEGER;
        UPDATE workloads SET last_started_at = started_at;
        ALTER TABLE workloads ADD COLUMN gpus_lost_at INTEGER;
        """,
    )


@migrations()  # type: ignore[untyped-decorator]
def m0004_networking_private_images(db: Database) -> None:
    """`private_images` names what was pulled with a credential, by reference and by the engine's id;
    `image_grants` who has shown that they may use it."""
    _script(
        db,
        """
        ALTER TABLE pods ADD COLUMN global_networking INTEGER NOT NULL DEFAULT 0;

        ALTER TABLE workloads ADD COLUMN failing_since INTEGER;

        CREATE TABLE private_images (image TEXT PRIMARY KEY) WITHOUT ROWID;

        CREATE TABLE image_grants (
            image TEXT NOT NULL,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            credential_id TEXT NOT NULL,
            granted_at INTEGER NOT NULL,
            PRIMARY KEY (image, account_id, credential_id)
        ) WITHOUT ROWID;

        INSERT INTO private_images SELECT DISTINCT image FROM workloads WHERE registry_auth_id != '';
        """,
    )


@migrations()  # type: ignore[untyped-decorator]
def m0005_restarts_by_run_and_events_by_age(db: Database) -> None:
    _script(
        db,
        """
        ALTER TABLE workloads RENAME COLUMN restart_at TO restart_of;
        CREATE INDEX workloads_by_state ON workloads (desired, phase);
        CREATE INDEX events_by_age ON events (at);
        """,
    )


@migrations()  # type: ignore[untyped-decorator]
def m0006_chunks_and_measures(db: Database) -> None:
    _script(
        db,
        """
        CREATE TABLE chunks (
            seq INTEGER PRIMARY KEY,
            job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            size INTEGER NOT NULL,
            body_json TEXT NOT NULL
        );
        CREATE INDEX chunks_by_job ON chunks (job_id, seq);

        CREATE TABLE measures (
            hour INTEGER NOT NULL,
            endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
            kind TEXT NOT NULL,
            bin INTEGER NOT NULL,
            number INTEGER NOT NULL,
            PRIMARY KEY (hour, endpoint_id, kind, bin)
        ) WITHOUT ROWID;
        CREATE INDEX measures_by_endpoint ON measures (endpoint_id);
        """,
    )


@migrations()  # type: ignore[untyped-decorator]
def m0007_load_balancing_endpoints(db: Database) -> None:
    _script(
        db,
        "ALTER TABLE endpoints ADD COLUMN type TEXT NOT NULL DEFAULT 'QB' CHECK (type IN ('QB', 'LB'))",
    )


@migrations()  # type: ignore[untyped-decorator]
def m0008_releases_and_workers_that_leave_or_freeze(db: Database) -> None:
    _script(
        db,
        """
        CREATE TABLE releases (
            endpoint_id TEXT NOT NULL REFERENCES endpoints (id),
            version INTEGER NOT NULL,
            at INTEGER NOT NULL,
            diff_json TEXT NOT NULL,
            PRIMARY KEY (endpoint_id, version)
        ) WITHOUT ROWID;
        INSERT OR IGNORE INTO releases SELECT id, 0, created_at, '[]' FROM endpoints;
        INSERT OR IGNORE INTO releases
            SELECT subject, CAST(substr(text, 9) AS INTEGER), at, '[]' FROM events
            WHERE kind = 'released' AND subject IN (SELECT id FROM endpoints);

        ALTER TABLE workers ADD COLUMN leaving TEXT NOT NULL DEFAULT '';
        ALTER TABLE workers ADD COLUMN thawed_at INTEGER;
        ALTER TABLE workloads ADD COLUMN frozen_at INTEGER;
        ALTER TABLE endpoints ADD COLUMN instance_ids TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN network_volume_id TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN asked_at INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE endpoints ADD COLUMN served_at INTEGER NOT NULL DEFAULT 0;
        UPDATE endpoints SET asked_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000;
        """,
    )


@migrations()  # type: ignore[untyped-decorator]
def m0009_when_workers_were_heard(db: Database) -> None:
    _script(
        db,
        """
        ALTER TABLE workers ADD COLUMN loop_seen_at INTEGER;
        ALTER TABLE workers ADD COLUMN pinged_at INTEGER;
        ALTER TABLE jobs ADD COLUMN adopted INTEGER NOT NULL DEFAULT 0;
        """,
    )


@migrations()  # type: ignore[untyped-decorator]
def m0010_webhooks(db: Database) -> None:
    _script(
        db,
        """
        ALTER TABLE jobs ADD COLUMN webhook TEXT NOT NULL DEFAULT '';

        CREATE TABLE webhooks (
            number INTEGER PRIMARY KEY,
            url TEXT NOT NULL,
            tries INTEGER NOT NULL DEFAULT 0,
            due_at INTEGER NOT NULL,
            id TEXT NOT NULL,
            endpoint_id TEXT NOT NULL,
            status TEXT NOT NULL,
            sync INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            retries INTEGER NOT NULL,
            submitted_at INTEGER NOT NULL,
            enqueued_at INTEGER NOT NULL,
            taken_at INTEGER,
            ended_at INTEGER,
            worker_id TEXT NOT NULL,
            body_json TEXT NOT NULL,
            progress_json TEXT,
            output_json TEXT,
            error TEXT
        );
        CREATE INDEX webhooks_due ON webhooks (due_at);
        """,
    )


@migrations()  # type: ignore[untyped-decorator]
def m0011_ledger_and_meters(db: Database) -> None:
    _script(
        db,
        """
        CREATE TABLE postings (
            number INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            at INTEGER NOT NULL,
            source TEXT NOT NULL,
            target TEXT NOT NULL CHECK (target <> source),
            amount INTEGER NOT NULL CHECK (typeof(amount) = 'integer' AND amount > 0),
            text TEXT NOT NULL,
            account_id TEXT NOT NULL,
            resource TEXT NOT NULL,
            group_id TEXT NOT NULL,
            item TEXT NOT NULL,
            gpu_type_id TEXT NOT NULL,
            size INTEGER NOT NULL,
            lasted INTEGER NOT NULL
        );
        CREATE INDEX postings_by_account ON postings (account_id, at);

        CREATE TABLE balances (
            name TEXT PRIMARY KEY,
            amount INTEGER NOT NULL CHECK (typeof(amount) = 'integer')
        ) WITHOUT ROWID;

        CREATE TABLE meters (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            resource TEXT NOT NULL,
            group_id TEXT NOT NULL,
            gpu_type_id TEXT NOT NULL,
            item TEXT NOT NULL,
            amount INTEGER NOT NULL,
            period INTEGER NOT NULL,
            step INTEGER NOT NULL,
            size INTEGER NOT NULL,
            opened_at INTEGER NOT NULL,
            wall INTEGER NOT NULL,
            steady INTEGER NOT NULL,
            boot TEXT NOT NULL,
            used INTEGER NOT NULL,
            charged INTEGER NOT NULL,
            UNIQUE (resource, item)
        );
        CREATE INDEX meters_by_account ON meters (account_id);
        """,
    )
    for trigger in _LEDGER_TRIGGERS:
        db.execute(trigger)


@migrations()  # type: ignore[untyped-decorator]
def m0012_cpu_workers_and_images(db: Database) -> None:
    _script(
        db,
        """
        ALTER TABLE workers ADD COLUMN instance_id TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN image_trouble TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN image_failures INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE endpoints ADD COLUMN image_retry_at INTEGER NOT NULL DEFAULT 0;
        """,
    )


# Append-only, and balances that follow by themselves: whatever writes to the ledger, also by hand.
_LEDGER_TRIGGERS = (
    """
    CREATE TRIGGER postings_are_not_changed BEFORE UPDATE ON postings
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
    """,
    """
    CREATE TRIGGER postings_are_not_deleted BEFORE DELETE ON postings
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
    """,
    """
    CREATE TRIGGER postings_move_balances AFTER INSERT ON postings
    BEGIN
        INSERT INTO balances VALUES (NEW.source, -NEW.amount)
            ON CONFLICT (name) DO UPDATE SET amount = amount - NEW.amount;
        INSERT INTO balances VALUES (NEW.target, NEW.amount)
            ON CONFLICT (name) DO UPDATE SET amount = amount + NEW.amount;
    END
    """,
)


@migrations()  # type: ignore[untyped-decorator]
def m0013_batches_and_how_much_is_unread(db: Database) -> None:
    """`batch_requests` are what a batch holds and the queue does not have yet. `upto` is the size of a chunk
    and of those before it that were unread when it came."""
    _script(
        db,
        """
        CREATE TABLE batches (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('DRAFT', 'FINALIZED', 'CANCELLED')),
            created_at INTEGER NOT NULL,
            finalized_at INTEGER,
            ended_at INTEGER
        );
        CREATE INDEX batches_by_endpoint ON batches (endpoint_id, number);
        CREATE INDEX batches_under_way ON batches (status) WHERE ended_at IS NULL;
        CREATE INDEX batches_ended ON batches (ended_at) WHERE ended_at IS NOT NULL;

        CREATE TABLE batch_requests (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            batch_id TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
            execution_timeout INTEGER,
            ttl INTEGER,
            webhook TEXT NOT NULL,
            body_json TEXT NOT NULL
        );
        CREATE INDEX batch_requests_by_batch ON batch_requests (batch_id, seq);

        ALTER TABLE jobs ADD COLUMN batch_id TEXT;
        CREATE INDEX jobs_of_batch ON jobs (batch_id, status) WHERE batch_id IS NOT NULL;

        ALTER TABLE chunks ADD COLUMN upto INTEGER NOT NULL DEFAULT 0;
        """,
    )


# Append-only, and balances that follow by themselves: whatever writes to the ledger, also by hand.
_LEDGER_TRIGGERS = (
    """
    CREATE TRIGGER postings_are_not_changed BEFORE UPDATE ON postings
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
    """,
    """
    CREATE TRIGGER postings_are_not_deleted BEFORE DELETE ON postings
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
    """,
    """
    CREATE TRIGGER postings_move_balances AFTER INSERT ON postings
    BEGIN
        INSERT INTO balances VALUES (NEW.source, -NEW.amount)
            ON CONFLICT (name) DO UPDATE SET amount = amount - NEW.amount;
        INSERT INTO balances VALUES (NEW.target, NEW.amount)
            ON CONFLICT (name) DO UPDATE SET amount = amount + NEW.amount;
    END
    """,
)


@migrations()  # type: ignore[untyped-decorator]
def m0018_halted_accounts(db: Database) -> None:
    _script(
        db,
        """
        CREATE TABLE halts (
            account_id TEXT PRIMARY KEY REFERENCES accounts (id),
            balance INTEGER NOT NULL,
            at INTEGER NOT NULL
        ) WITHOUT ROWID;
        """,
    )
