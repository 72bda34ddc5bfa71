BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'podd','m0001_accounts_workloads_endpoints_jobs','2026-11-23 20:04:17.889786+00:00');
CREATE TABLE accounts (
            id TEXT PRIMARY KEY,
            email TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            pub_key TEXT NOT NULL DEFAULT '',
            extras_json TEXT NOT NULL DEFAULT '{}',
            created_at INTEGER NOT NULL
        );
INSERT INTO "accounts" VALUES('user_pur2qawmd0zun71hgtvrc74i','dnggikad@example.com','dnggikad','ssh-ed25519 AAAA ada','{}',1795464259161);
CREATE TABLE api_keys (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            name TEXT NOT NULL,
            hash TEXT NOT NULL UNIQUE,
            created_at INTEGER NOT NULL,
            revoked_at INTEGER
        );
INSERT INTO "api_keys" VALUES('x7i34bf1dd0y0n','user_pur2qawmd0zun71hgtvrc74i','first key','d61bb60d34fa3528b27ae94373aee9791e5c22627d13bb34a1fb46df639563ab',1795464259161,NULL);
CREATE TABLE claims (
            gpu_uuid TEXT PRIMARY KEY REFERENCES gpus (uuid),
            workload_id TEXT NOT NULL REFERENCES workloads (id),
            since INTEGER NOT NULL
        );
INSERT INTO "claims" VALUES('GPU-c8cbd74f-e2ed-5da6-b5d4-18e033154509','4kw6n0ejxps82e',1795464259289);
INSERT INTO "claims" VALUES('GPU-0635a60e-8743-5536-9d02-51d8747e5d04','xb1fcnpvxlt2j4',1795464259307);
INSERT INTO "claims" VALUES('GPU-c35637ef-450d-5906-936e-925ea6c94409','qeb88wwagnhebr',1795464259354);
INSERT INTO "claims" VALUES('GPU-38077d7d-de43-54c7-aeca-471dcde39d04','bfgovsuryp7rfq',1795464259853);
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
INSERT INTO "endpoints" VALUES('elpz57mx36wv92','user_pur2qawmd0zun71hgtvrc74i','echo','g81f7y5gki','AMPERE_48',1,30,'QUEUE_DELAY',4,0,1,600000,'OFF',0,1795464259829,1,1,0,0,1,'{}');
INSERT INTO "endpoints" VALUES('nootnkhwl0ovh1','user_pur2qawmd0zun71hgtvrc74i','no workers','222eebwacp','AMPERE_48',1,2,'QUEUE_DELAY',4,0,0,600000,'OFF',0,1795464265205,0,0,0,0,0,'{}');
CREATE TABLE events (
            id INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            subject TEXT NOT NULL,
            kind TEXT NOT NULL,
            text TEXT NOT NULL
        );
INSERT INTO "events" VALUES(1,1795464259289,'4kw6n0ejxps82e','created','created with 1 x NVIDIA RTX A6000');
INSERT INTO "events" VALUES(2,1795464259302,'xm8l1l9y9wndtd','created','created with 1 x NVIDIA RTX A6000');
INSERT INTO "events" VALUES(3,1795464259303,'4kw6n0ejxps82e','starting','starting the container');
INSERT INTO "events" VALUES(4,1795464259307,'xm8l1l9y9wndtd','starting','starting the container');
INSERT INTO "events" VALUES(5,1795464259307,'xb1fcnpvxlt2j4','created','created with 1 x NVIDIA RTX A6000');
INSERT INTO "events" VALUES(6,1795464259314,'xb1fcnpvxlt2j4','starting','starting the container');
INSERT INTO "events" VALUES(7,1795464259354,'qeb88wwagnhebr','created','created with 1 x NVIDIA RTX A6000');
INSERT INTO "events" VALUES(8,1795464259413,'qeb88wwagnhebr','starting','starting the container');
INSERT INTO "events" VALUES(9,1795464259524,'4kw6n0ejxps82e','running','container started');
INSERT INTO "events" VALUES(10,1795464259620,'xm8l1l9y9wndtd','running','container started');
INSERT INTO "events" VALUES(11,1795464259687,'qeb88wwagnhebr','running','container started');
INSERT INTO "events" VALUES(12,1795464259725,'xb1fcnpvxlt2j4','running','container started');
INSERT INTO "events" VALUES(13,1795464259750,'xm8l1l9y9wndtd','stopped','stopped by its owner');
INSERT INTO "events" VALUES(14,1795464259829,'elpz57mx36wv92','created','created as echo');
INSERT INTO "events" VALUES(15,1795464259853,'bfgovsuryp7rfq','created','created for endpoint elpz57mx36wv92');
INSERT INTO "events" VALUES(16,1795464259867,'bfgovsuryp7rfq','starting','starting the container');
INSERT INTO "events" VALUES(17,1795464259957,'bfgovsuryp7rfq','running','container started');
INSERT INTO "events" VALUES(18,1795464263101,'bfgovsuryp7rfq','ready','the worker asked for its first job');
INSERT INTO "events" VALUES(19,1795464265205,'nootnkhwl0ovh1','created','created as no workers');
CREATE TABLE gpus (
            uuid TEXT PRIMARY KEY,
            position INTEGER NOT NULL,
            type_id TEXT NOT NULL,
            memory INTEGER NOT NULL,
            simulated INTEGER NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('healthy', 'unhealthy')),
            present INTEGER NOT NULL
        );
INSERT INTO "gpus" VALUES('GPU-c8cbd74f-e2ed-5da6-b5d4-18e033154509',0,'NVIDIA RTX A6000',49152,1,'healthy',1);
INSERT INTO "gpus" VALUES('GPU-38077d7d-de43-54c7-aeca-471dcde39d04',1,'NVIDIA RTX A6000',49152,1,'healthy',1);
INSERT INTO "gpus" VALUES('GPU-0635a60e-8743-5536-9d02-51d8747e5d04',2,'NVIDIA RTX A6000',49152,1,'healthy',1);
INSERT INTO "gpus" VALUES('GPU-c35637ef-450d-5906-936e-925ea6c94409',3,'NVIDIA RTX A6000',49152,1,'healthy',1);
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
INSERT INTO "jobs" VALUES(1,'7c1a822c-61d2-4965-b924-5ebfe04b21e7-u1','elpz57mx36wv92','COMPLETED',0,1,1,0,1795464259851,1795464259851,1795464263101,1795464263101,1795464263211,'bfgovsuryp7rfq',600000,1795550659851,1795466063211,NULL,NULL,'{"input":{"n":1}}',NULL,'{"echo":1}',NULL);
INSERT INTO "jobs" VALUES(2,'f922b733-54d1-4333-acad-a309861b1814-u1','elpz57mx36wv92','FAILED',0,1,1,0,1795464263226,1795464263226,1795464264142,1795464264142,1795464264240,'bfgovsuryp7rfq',600000,1795550663226,1795466064240,NULL,NULL,'{"input":{"n":1,"fail":1}}',NULL,NULL,'as asked');
INSERT INTO "jobs" VALUES(3,'40defcbf-a187-4161-b545-df95f293be11-u1','elpz57mx36wv92','IN_PROGRESS',0,1,1,0,1795464264261,1795464264261,1795464265145,1795464268164,NULL,'bfgovsuryp7rfq',600000,1795550664261,NULL,NULL,NULL,'{"input":{"n":2,"gate":"/srv/gate"}}',NULL,NULL,NULL);
INSERT INTO "jobs" VALUES(4,'a983df66-e02e-4d24-bc2e-e72398c1f0dc-u1','elpz57mx36wv92','IN_QUEUE',0,1,0,0,1795464265172,1795464265172,NULL,NULL,NULL,'',600000,1795550665172,NULL,NULL,NULL,'{"input":{"n":3,"gate":"/srv/gate"}}',NULL,NULL,NULL);
INSERT INTO "jobs" VALUES(5,'a4bca03b-59e6-4188-a624-48a37e615ab1-u1','elpz57mx36wv92','IN_QUEUE',0,1,0,0,1795464265179,1795464265179,NULL,NULL,NULL,'',600000,1795550665179,NULL,NULL,NULL,'{"input":{"n":4},"webhook":"http://127.0.0.1:1/x?token=abc"}',NULL,NULL,NULL);
INSERT INTO "jobs" VALUES(6,'98bc2213-388b-4f6d-8e7e-88970481eda9-u1','nootnkhwl0ovh1','IN_QUEUE',0,1,0,0,1795464265219,1795464265219,NULL,NULL,NULL,'',600000,1795550665219,NULL,NULL,NULL,'{"input":{"n":5}}',NULL,NULL,NULL);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('boot_id','b35a811a-45e2-4c25-b079-5706b4258b44');
INSERT INTO "meta" VALUES('engine','process');
INSERT INTO "meta" VALUES('instance','4ihemk5q');
INSERT INTO "meta" VALUES('operator_key_hash','ec8883cf489f8fb558ebc386a8ce3dfba34cb926872670d5b299f9a857c5b854');
INSERT INTO "meta" VALUES('ready_at','1795464258994');
CREATE TABLE network_volumes (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            name TEXT NOT NULL,
            size INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            deleted_at INTEGER
        );
INSERT INTO "network_volumes" VALUES('frkkotme54','user_pur2qawmd0zun71hgtvrc74i','data',10,1795464259263,NULL);
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
INSERT INTO "pods" VALUES('4kw6n0ejxps82e','running','','sleep 1000','22/tcp,8888/http','NVIDIA RTX A6000',1,NULL,490000000,'SECURE','',0,NULL,NULL);
INSERT INTO "pods" VALUES('xm8l1l9y9wndtd','stopped','','sleep 1000','','NVIDIA RTX A6000',1,NULL,490000000,'SECURE','',0,NULL,NULL);
INSERT INTO "pods" VALUES('xb1fcnpvxlt2j4','mounted','','{"entrypoint": [], "cmd": ["sleep", "1000"]}','8888/http,22/tcp','NVIDIA RTX A6000',1,NULL,490000000,'SECURE','',0,NULL,NULL);
INSERT INTO "pods" VALUES('qeb88wwagnhebr','spot','','sleep 1000','','NVIDIA RTX A6000',1,400000000,400000000,'SECURE','',0,NULL,NULL);
CREATE TABLE published_ports (
            host_port INTEGER PRIMARY KEY,
            workload_id TEXT NOT NULL REFERENCES workloads (id),
            container_port INTEGER NOT NULL,
            protocol TEXT NOT NULL,
            UNIQUE (workload_id, container_port, protocol)
        );
INSERT INTO "published_ports" VALUES(20700,'4kw6n0ejxps82e',22,'tcp');
INSERT INTO "published_ports" VALUES(20701,'xb1fcnpvxlt2j4',22,'tcp');
CREATE TABLE registry_credentials (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            name TEXT NOT NULL,
            username TEXT NOT NULL,
            sealed_password TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            UNIQUE (account_id, name)
        );
INSERT INTO "registry_credentials" VALUES('yrusbi4723uqbute0drjuoq0l','user_pur2qawmd0zun71hgtvrc74i','hub','ada','k1:Byfp5pTctK7O95Im8Am8YTfY/nKnwURx3OBSdFx3AHLmdBNNRGc=',1795464259203);
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
INSERT INTO "secrets" VALUES('ben5q0f8xiktge5aahs2j6lkx','user_pur2qawmd0zun71hgtvrc74i','token','d','k1:Lme2FfzB3wJpnUV/zRL9x+IZ94yHiH1wmtf0erHrjZ1/mUMH',1795464259235,1795464259235);
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
INSERT INTO "templates" VALUES('g81f7y5gki','user_pur2qawmd0zun71hgtvrc74i','crash handler','test/none','python3 -u /srv/h.py',5,0,'/workspace','','{"RECORD": "/srv/record"}',1,0,'','','{}',1795464259772);
INSERT INTO "templates" VALUES('222eebwacp','user_pur2qawmd0zun71hgtvrc74i','idle','test/none','sleep 1',5,0,'/workspace','','{}',1,0,'','','{}',1795464265196);
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
INSERT INTO "workers" VALUES('bfgovsuryp7rfq','elpz57mx36wv92',0,1795464263101,NULL,0,0,NULL,0);
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
INSERT INTO "workloads" VALUES('4kw6n0ejxps82e','pod','user_pur2qawmd0zun71hgtvrc74i','RUNNING','RUNNING',1,'test/none','[]','["sleep", "1000"]','{}','22/tcp,8888/http',2,3584,50,10,'/srv/w','','',3.0,'cb5e9fd4112041f7b2d776369e2b7ac8','127.0.0.1',1795464259516,NULL,NULL,0,0,0,0,'',1795464259289,1795464259289,'Rented by User');
INSERT INTO "workloads" VALUES('xm8l1l9y9wndtd','pod','user_pur2qawmd0zun71hgtvrc74i','STOPPED','NONE',1,'test/none','[]','["sleep", "1000"]','{}','',2,3584,50,0,'/workspace','','',3.0,'','',NULL,NULL,NULL,0,0,0,0,'',1795464259302,1795464259750,'Stopped by User');
INSERT INTO "workloads" VALUES('xb1fcnpvxlt2j4','pod','user_pur2qawmd0zun71hgtvrc74i','RUNNING','RUNNING',1,'test/private','[]','["sleep", "1000"]','{}','8888/http,22/tcp',2,3584,50,0,'/srv/w2','frkkotme54','yrusbi4723uqbute0drjuoq0l',3.0,'1c85d5a618bd4aa59696bb9a6e0189cf','127.0.0.1',1795464259700,NULL,NULL,0,0,0,0,'',1795464259307,1795464259307,'Rented by User');
INSERT INTO "workloads" VALUES('qeb88wwagnhebr','pod','user_pur2qawmd0zun71hgtvrc74i','RUNNING','RUNNING',1,'test/none','[]','["sleep", "1000"]','{}','',2,3584,5,0,'/workspace','','',3.0,'91143811929c4a85871dfccb0e4bd0ad','127.0.0.1',1795464259681,NULL,NULL,0,0,0,0,'',1795464259354,1795464259354,'Rented by User');
INSERT INTO "workloads" VALUES('bfgovsuryp7rfq','worker','user_pur2qawmd0zun71hgtvrc74i','RUNNING','RUNNING',1,'test/none','[]','["python3", "-u", "/srv/h.py"]','{"RECORD": "/srv/record"}','',2,3584,5,0,'/workspace','','',30.0,'16215af208de4f9e9c7edab8ae51c2fd','127.0.0.1',1795464259956,NULL,NULL,0,0,0,0,'',1795464259853,1795464259853,'Created by Runpod');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX workloads_by_account ON workloads (account_id, kind);
CREATE INDEX claims_by_workload ON claims (workload_id);
CREATE INDEX endpoints_by_account ON endpoints (account_id);
CREATE INDEX endpoints_by_template ON endpoints (template_id);
CREATE INDEX workers_by_endpoint ON workers (endpoint_id);
CREATE INDEX jobs_queued ON jobs (endpoint_id, rank, seq) WHERE status = 'IN_QUEUE';
CREATE INDEX jobs_held ON jobs (worker_id) WHERE status = 'IN_PROGRESS';
CREATE INDEX jobs_running ON jobs (endpoint_id) WHERE status = 'IN_PROGRESS';
CREATE INDEX jobs_to_stop ON jobs (worker_id) WHERE stop_asked_at IS NOT NULL;
CREATE INDEX jobs_by_endpoint ON jobs (endpoint_id);
CREATE INDEX jobs_expiring ON jobs (expires_at) WHERE status IN ('IN_QUEUE', 'IN_PROGRESS');
CREATE INDEX jobs_to_forget ON jobs (forget_at) WHERE forget_at IS NOT NULL;
CREATE INDEX network_volumes_by_account ON network_volumes (account_id);
CREATE INDEX events_by_subject ON events (subject, id);
COMMIT;