/// What ``Migration/all`` adds for the chain of tasks that iterations' ends waited for.
let criticalPathSchema = """
  -- Its time by stage and by what bounds it; together a run's measured time. No rows for a run of an
  -- earlier version.
  CREATE TABLE critical_path (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    bound TEXT NOT NULL,
    time_s REAL NOT NULL CHECK (time_s > 0),
    PRIMARY KEY (run, stage, bound)
  ) STRICT, WITHOUT ROWID;

  -- The share of the critical path that the resource bounds. Runs of an earlier version had the share of
  -- the mean device's time here, which is something else.
  ALTER TABLE roofs RENAME COLUMN simulated_elasticity TO critical_path_share;
  UPDATE roofs SET critical_path_share = NULL;
  """
