-- A journal as schema 2 kept it: sums of entries, runs and the lease, and no memory yet. A run with three entries, and one with one.
PRAGMA journal_mode = WAL;
PRAGMA application_id = 1279806001;
PRAGMA user_version = 2;
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    started INTEGER NOT NULL,
    state TEXT,
    ended INTEGER,
    summary TEXT NOT NULL
, unsummed INTEGER NOT NULL DEFAULT 0, sum INTEGER) STRICT;
CREATE TABLE entries (
    key INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    task TEXT,
    attempt INTEGER,
    capability TEXT,
    denied INTEGER NOT NULL,
    format INTEGER NOT NULL,
    blob BLOB REFERENCES blobs (digest),
    body BLOB, sum INTEGER,
    CHECK ((blob IS NULL) <> (body IS NULL))
) STRICT;
CREATE TABLE blobs (digest BLOB PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
CREATE VIEW journal AS
    SELECT r.id AS run, e.key & 1099511627775 AS position, e.at, e.kind, e.task, e.attempt, e.capability, e.denied,
           CAST(coalesce(e.body, (SELECT bytes FROM blobs WHERE digest = e.blob)) AS TEXT) AS body
    FROM runs AS r JOIN entries AS e ON e.key BETWEEN r.number << 40 AND (r.number << 40) | 1099511627775;
CREATE TABLE lease (
    epoch INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    clean INTEGER NOT NULL,
    sum INTEGER NOT NULL
) STRICT;
INSERT INTO runs VALUES (1, 'a', 'modernise', 1795152862125, 'running', NULL, '{"entries":3,"state":"running","started":1795152862125,"ended":null,"last":1795152862125,"version":"cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2","tasks":{"pending":0,"running":0,"waiting":0,"failing":0,"completed":0,"skipped":0,"failed":0,"escalated":0,"cancelled":0},"attempts":0,"actions":0,"denials":0,"incidents":0,"asked":0,"answered":0,"fuel":0,"tokens":0,"money":0,"memory":0,"changes":0,"applied":null}', 0, -1087568152);
INSERT INTO runs VALUES (2, 'b', 'modernise', 1795152862125, 'running', NULL, '{"entries":1,"state":"running","started":1795152862125,"ended":null,"last":1795152862125,"version":"cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2","tasks":{"pending":0,"running":0,"waiting":0,"failing":0,"completed":0,"skipped":0,"failed":0,"escalated":0,"cancelled":0},"attempts":0,"actions":0,"denials":0,"incidents":0,"asked":0,"answered":0,"fuel":0,"tokens":0,"money":0,"memory":0,"changes":0,"applied":null}', 0, -1942462989);
INSERT INTO lease VALUES (1, 2, 1, -1966360185);
INSERT INTO entries VALUES (1099511627776, 1795152862125, 'run-started', NULL, NULL, NULL, 0, 1, NULL, CAST('{"at":1795152862125,"kind":"run-started","run":"a","workflow":"modernise","file":"modernise.workflow.yaml","source":"version: 1\nname: modernise\n","base":"cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2","host":"0.1.0","isolation":["landlock"],"inputs":{"since":"2.0"},"policy":{"memory":["run"]},"seed":18446744073709551615,"apply":true,"keep":3}' AS BLOB), -2009100402);
INSERT INTO entries VALUES (1099511627777, 1795152862125, 'log', 'change[1]', 2, NULL, 0, 1, NULL, CAST('{"at":1795152862125,"task":"change[1]","attempt":2,"kind":"log","level":"info","message":"one"}' AS BLOB), -1345852265);
INSERT INTO entries VALUES (1099511627778, 1795152862125, 'log', 'change[1]', 2, NULL, 0, 1, NULL, CAST('{"at":1795152862125,"task":"change[1]","attempt":2,"kind":"log","level":"info","message":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}' AS BLOB), -83945608);
INSERT INTO entries VALUES (2199023255552, 1795152862125, 'run-started', NULL, NULL, NULL, 0, 1, NULL, CAST('{"at":1795152862125,"kind":"run-started","run":"b","workflow":"modernise","file":"modernise.workflow.yaml","source":"version: 1\nname: modernise\n","base":"cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2","host":"0.1.0","isolation":["landlock"],"inputs":{"since":"2.0"},"policy":{"memory":["run"]},"seed":18446744073709551615,"apply":true,"keep":3}' AS BLOB), 244085333);
