from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
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
