from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
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
