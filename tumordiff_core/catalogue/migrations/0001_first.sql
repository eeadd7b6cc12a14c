-- Where files came from. A root is what the reader pointed at; a folder lies under one root.
CREATE TABLE roots (
    id INTEGER PRIMARY KEY,
    path NOT NULL UNIQUE,          -- text, or the bytes of a name that is not UTF-8
    kind TEXT NOT NULL,            -- folder, file, archive
    imported TEXT NOT NULL DEFAULT ''
);
CREATE TABLE folders (
    id INTEGER PRIMARY KEY,
    root_id INTEGER NOT NULL REFERENCES roots(id) ON DELETE CASCADE,
    path NOT NULL UNIQUE,
    shown TEXT NOT NULL DEFAULT '', -- how the folder is named to the reader where that differs: inside an archive
    digest BLOB                     -- of names, sizes and times; an equal one means nothing changed
);
CREATE INDEX folders_of_root ON folders(root_id);
-- Files that were found and are not read yet: rows of [[name, size, mtime_ns], ...]. They outlive a killed import.
CREATE TABLE pending (
    id INTEGER PRIMARY KEY,
    folder_id INTEGER NOT NULL REFERENCES folders(id) ON DELETE CASCADE,
    files TEXT NOT NULL,
    count INTEGER NOT NULL
);
CREATE INDEX pending_of_folder ON pending(folder_id);

CREATE TABLE patients (
    id INTEGER PRIMARY KEY,
    patient_id TEXT NOT NULL UNIQUE,
    collection TEXT NOT NULL DEFAULT '',
    sex TEXT NOT NULL DEFAULT '',
    age TEXT NOT NULL DEFAULT '',
    laterality TEXT NOT NULL DEFAULT '',
    dirty INTEGER NOT NULL DEFAULT 0,  -- 1: a study or a fact changed since its time points were asked for
    version INTEGER NOT NULL DEFAULT 0,
    head TEXT NOT NULL DEFAULT '{}',   -- what the list shows, ready made
    visits TEXT NOT NULL DEFAULT '[]', -- what lies below, ready made
    words TEXT NOT NULL DEFAULT ''     -- what a search looks through
);
CREATE TABLE studies (
    id INTEGER PRIMARY KEY,
    patient INTEGER NOT NULL REFERENCES patients(id) ON DELETE CASCADE,
    uid TEXT NOT NULL,
    study_date TEXT,
    description TEXT NOT NULL DEFAULT '',
    dirty INTEGER NOT NULL DEFAULT 1,
    label TEXT NOT NULL DEFAULT '',
    days INTEGER,
    evidence TEXT NOT NULL DEFAULT '',
    recorded TEXT,
    UNIQUE (uid, patient)
);
CREATE INDEX studies_of_patient ON studies(patient);
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    study INTEGER NOT NULL REFERENCES studies(id) ON DELETE CASCADE,
    uid TEXT NOT NULL,
    number INTEGER,
    description TEXT NOT NULL DEFAULT '',
    modality TEXT NOT NULL DEFAULT '',
    vendor TEXT NOT NULL DEFAULT '',
    role TEXT NOT NULL DEFAULT 'other',
    remark TEXT NOT NULL DEFAULT '',
    files INTEGER NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0,   -- how many of them were not found by the last import
    roots TEXT NOT NULL DEFAULT '[]',
    UNIQUE (uid, study)
);
CREATE INDEX series_of_study ON series(study);
-- Header values that several files of one series share; a file's own values are beside it.
CREATE TABLE heads (
    id INTEGER PRIMARY KEY,
    series INTEGER NOT NULL REFERENCES series(id) ON DELETE CASCADE,
    common TEXT NOT NULL
);
CREATE INDEX heads_of_series ON heads(series);
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    folder_id INTEGER NOT NULL REFERENCES folders(id) ON DELETE CASCADE,
    name NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    state INTEGER NOT NULL,            -- 0 an image, 1 skipped, 2 an identical copy of an image
    gone INTEGER NOT NULL DEFAULT 0,
    series INTEGER REFERENCES series(id) ON DELETE SET NULL,
    head INTEGER REFERENCES heads(id) ON DELETE SET NULL,
    sop_key INTEGER,                   -- 63 bits of the UID's hash, for finding it without a large index
    own TEXT,
    UNIQUE (folder_id, name)
);
CREATE INDEX files_of_series ON files(series);
CREATE INDEX files_by_uid ON files(sop_key) WHERE sop_key IS NOT NULL;
CREATE TABLE skips (
    file INTEGER PRIMARY KEY REFERENCES files(id) ON DELETE CASCADE,
    code TEXT NOT NULL,
    sentence TEXT NOT NULL
);
CREATE TABLE dynamics (
    id INTEGER PRIMARY KEY,
    study INTEGER NOT NULL REFERENCES studies(id) ON DELETE CASCADE,
    series_uids TEXT NOT NULL,
    early INTEGER,
    late INTEGER,
    complete INTEGER NOT NULL,
    remark TEXT NOT NULL DEFAULT ''
);
CREATE INDEX dynamics_of_study ON dynamics(study);
-- What can be shown of a series, phase by phase; the first series of a dynamic acquisition has all its phases.
CREATE TABLE phases (
    series INTEGER NOT NULL REFERENCES series(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    label TEXT NOT NULL DEFAULT '',
    slices INTEGER NOT NULL,
    start_s REAL,
    effective_s REAL,
    dynamic INTEGER REFERENCES dynamics(id) ON DELETE CASCADE,
    files BLOB NOT NULL,               -- ids of its files in slice order, little-endian int64
    PRIMARY KEY (series, number)
) WITHOUT ROWID;
CREATE INDEX phases_of_dynamic ON phases(dynamic);

CREATE TABLE facts (
    patient_id TEXT NOT NULL,          -- may name a patient whose images are not here yet
    name TEXT NOT NULL,
    value TEXT,                        -- JSON
    unit TEXT NOT NULL DEFAULT '',
    source TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (patient_id, name)
) WITHOUT ROWID;
CREATE TABLE results (
    folder TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    created TEXT NOT NULL,
    study_uid TEXT NOT NULL DEFAULT '',
    series_uid TEXT NOT NULL DEFAULT '',
    patient_id TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT ''
);
CREATE INDEX results_of_study ON results(study_uid);

-- The reader's own work: never touched by an import, part of every backup.
CREATE TABLE edited_time_points (
    study_uid TEXT PRIMARY KEY,
    label TEXT NOT NULL,
    days INTEGER,
    version INTEGER NOT NULL,
    changed TEXT NOT NULL
);
CREATE TABLE edited_timings (
    series_uid TEXT PRIMARY KEY,
    early INTEGER,
    late INTEGER,
    version INTEGER NOT NULL,
    changed TEXT NOT NULL
);
