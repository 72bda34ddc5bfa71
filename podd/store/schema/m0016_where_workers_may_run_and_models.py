from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    """What an endpoint said about data centers and CUDA was only kept until now: as a comma list, in some
    rows as a list."""
    script(
        db,
        """
        ALTER TABLE endpoints ADD COLUMN data_center_ids TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN cuda_versions TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN min_cuda_version TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN model TEXT NOT NULL DEFAULT '';

        UPDATE endpoints SET
            data_center_ids = CASE json_type(extras_json, '$.locations')
                WHEN 'text' THEN json_extract(extras_json, '$.locations')
                WHEN 'array' THEN COALESCE(
                    (SELECT group_concat(value) FROM json_each(extras_json, '$.locations')), '')
                ELSE '' END,
            cuda_versions = CASE json_type(extras_json, '$.allowedCudaVersions')
                WHEN 'text' THEN json_extract(extras_json, '$.allowedCudaVersions')
                WHEN 'array' THEN COALESCE(
                    (SELECT group_concat(value) FROM json_each(extras_json, '$.allowedCudaVersions')), '')
                ELSE '' END,
            min_cuda_version = COALESCE(json_extract(extras_json, '$.minCudaVersion'), ''),
            extras_json = json_remove(
                extras_json, '$.locations', '$.allowedCudaVersions', '$.minCudaVersion');

        CREATE TABLE model_caches (
            account_id TEXT PRIMARY KEY REFERENCES accounts (id),
            size INTEGER NOT NULL,
            used_at INTEGER NOT NULL,
            leaving INTEGER NOT NULL DEFAULT 0,
            problem TEXT NOT NULL DEFAULT '',
            failures INTEGER NOT NULL DEFAULT 0,
            retry_at INTEGER NOT NULL DEFAULT 0
        ) WITHOUT ROWID;
        """,
    )
