/// What ``Migration/all`` adds for links.
///
/// Runs that were recorded before have no busy and waited time; which of their resources are links is
/// told by unit and kind: besides links, only memories counted bytes.
let linkSchema = """
  ALTER TABLE resources ADD COLUMN is_link INTEGER NOT NULL DEFAULT 0 CHECK (is_link IN (0, 1));
  ALTER TABLE resources ADD COLUMN busy_s REAL;
  ALTER TABLE resources ADD COLUMN waited_s REAL;

  UPDATE resources SET is_link = 1 WHERE unit = 'B/s' AND kind <> 'memory';

  -- In dispatch and combine. Only where it was asked for; a pair that sent nothing has no row.
  CREATE TABLE pair_traffic (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    source INTEGER NOT NULL CHECK (source >= 0),
    target INTEGER NOT NULL CHECK (target >= 0),
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (run, source, target)
  ) STRICT, WITHOUT ROWID;

  CREATE VIEW links AS
  SELECT run, resource, resources.name, kind, device, capacity_per_s AS bytes_per_s,
    served AS bytes, utilisation, busy_s / (measured_time_ps * 1e-12) AS busy_share, waited_s
  FROM resources JOIN runs ON runs.id = run
  WHERE is_link = 1
  ORDER BY run, utilisation DESC, bytes DESC, resource;
  """
