/// What ``Migration/all`` adds for the closed-form bound on a run.
let limitSchema = """
  -- No schedule of the same work on the same machine gives more; no row for a run of an earlier version.
  CREATE TABLE limits (
    run INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    tokens_per_s REAL NOT NULL CHECK (tokens_per_s > 0),
    bound_by TEXT NOT NULL
  ) STRICT;

  -- Elasticities: per cent of throughput for one per cent more of the resource. The simulated one is null
  -- where no task is bound by that resource alone.
  CREATE TABLE roofs (
    run INTEGER NOT NULL REFERENCES limits (run) ON DELETE CASCADE,
    resource TEXT NOT NULL,
    position INTEGER NOT NULL,
    share_of_bound REAL NOT NULL,
    elasticity_of_bound REAL NOT NULL,
    elasticity_in_turn REAL NOT NULL,
    simulated_elasticity REAL,
    PRIMARY KEY (run, resource)
  ) STRICT, WITHOUT ROWID;

  DROP VIEW summary;
  CREATE VIEW summary AS
  SELECT id AS run, name, model, cluster, phase, policies, trace, seed, device_count, sequences,
    measured_iterations,
    tokens / (measured_time_ps * 1e-12) AS tokens_per_s,
    tokens / (measured_time_ps * 1e-12) / device_count AS tokens_per_s_per_device,
    limits.tokens_per_s AS bound_tokens_per_s, bound_by,
    tokens / (measured_time_ps * 1e-12) / limits.tokens_per_s AS fraction_of_bound,
    measured_time_ps * 1e-12 / measured_iterations AS mean_iteration_s,
    (SELECT avg(mean_imbalance) FROM load_balance WHERE run = id) AS mean_imbalance,
    (SELECT max(mean_imbalance) FROM load_balance WHERE run = id) AS worst_layer_imbalance,
    (task_energy_j + idle_energy_j) / nullif(tokens, 0) AS energy_per_token_j,
    trace_is_synthetic,
    (SELECT count(*) FROM remarks WHERE run = id) AS remarks
  FROM runs LEFT JOIN limits ON limits.run = id;
  """
