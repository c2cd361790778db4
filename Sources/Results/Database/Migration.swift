/// A step of the schema. Steps are added at the end and never edited: a file's `user_version` is how
/// many of them it has.
struct Migration: Sendable {
  let name: String
  let sql: String

  static let all = [
    Migration(name: "runs and what was measured", sql: firstSchema),
    Migration(name: "how busy links were, and traffic between pairs", sql: linkSchema),
    Migration(name: "how often copies of others' experts were of use", sql: duplicateSchema),
    Migration(name: "the closed-form bound", sql: limitSchema),
    Migration(name: "the critical path", sql: criticalPathSchema),
    Migration(name: "what was believed of placements", sql: placementSchema),
  ]
}

private let firstSchema = """
  CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    scenario TEXT NOT NULL,
    seed TEXT NOT NULL,
    program_version TEXT NOT NULL,
    model TEXT NOT NULL,
    cluster TEXT NOT NULL,
    policies TEXT NOT NULL,
    trace TEXT NOT NULL,
    trace_is_synthetic INTEGER NOT NULL CHECK (trace_is_synthetic IN (0, 1)),
    phase TEXT NOT NULL,
    device_count INTEGER NOT NULL CHECK (device_count > 0),
    layer_count INTEGER NOT NULL CHECK (layer_count >= 0),
    sequences INTEGER NOT NULL,
    context_tokens REAL,
    warmup_iterations INTEGER NOT NULL,
    measured_iterations INTEGER NOT NULL CHECK (measured_iterations > 0),
    measured_time_ps INTEGER NOT NULL CHECK (measured_time_ps > 0),
    tokens INTEGER NOT NULL,
    task_energy_j REAL NOT NULL,
    idle_energy_j REAL NOT NULL
  ) STRICT;

  CREATE TABLE remarks (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    remark TEXT NOT NULL,
    PRIMARY KEY (run, position)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE stages (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('compute', 'communication', 'waiting')),
    tasks INTEGER NOT NULL,
    mean_device_time_s REAL NOT NULL,
    max_device_time_s REAL NOT NULL,
    mean_wait_before_s REAL NOT NULL,
    energy_j REAL NOT NULL,
    PRIMARY KEY (run, stage)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE stage_bounds (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    bound TEXT NOT NULL,
    tasks INTEGER NOT NULL,
    task_time_s REAL NOT NULL,
    PRIMARY KEY (run, stage, bound),
    FOREIGN KEY (run, stage) REFERENCES stages (run, stage) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE iterations (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    iteration INTEGER NOT NULL,
    start_ps INTEGER NOT NULL,
    end_ps INTEGER NOT NULL CHECK (end_ps >= start_ps),
    tokens INTEGER NOT NULL,
    PRIMARY KEY (run, iteration)
  ) STRICT, WITHOUT ROWID;

  -- layer is -1 for work that belongs to no layer, here and below.
  CREATE TABLE layers (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    layer INTEGER NOT NULL CHECK (layer >= -1),
    stage TEXT NOT NULL,
    mean_device_time_s REAL NOT NULL,
    max_device_time_s REAL NOT NULL,
    mean_wait_before_s REAL NOT NULL,
    max_wait_before_s REAL NOT NULL,
    PRIMARY KEY (run, layer, stage),
    FOREIGN KEY (run, stage) REFERENCES stages (run, stage) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;

  -- The times of one device add up to measured_time_ps exactly.
  CREATE TABLE devices (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    device INTEGER NOT NULL CHECK (device >= 0),
    stage TEXT NOT NULL,
    time_ps INTEGER NOT NULL CHECK (time_ps >= 0),
    PRIMARY KEY (run, device, stage),
    FOREIGN KEY (run, stage) REFERENCES stages (run, stage) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;

  -- What a device's experts got, and what the device sent in dispatch and combine.
  CREATE TABLE layer_load (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    layer INTEGER NOT NULL,
    device INTEGER NOT NULL,
    token_expert_pairs INTEGER NOT NULL CHECK (token_expert_pairs >= 0),
    bytes_sent INTEGER NOT NULL CHECK (bytes_sent >= 0),
    PRIMARY KEY (run, layer, device)
  ) STRICT, WITHOUT ROWID;

  -- Most loaded device over the mean device: per iteration, then mean and worst over iterations.
  CREATE TABLE load_balance (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    layer INTEGER NOT NULL,
    mean_imbalance REAL NOT NULL CHECK (mean_imbalance >= 0.999999),
    worst_imbalance REAL NOT NULL,
    worst_iteration INTEGER NOT NULL,
    PRIMARY KEY (run, layer)
  ) STRICT, WITHOUT ROWID;

  -- device is null for a resource that several devices share.
  CREATE TABLE resources (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    resource INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    device INTEGER,
    unit TEXT NOT NULL,
    capacity_per_s REAL NOT NULL,
    served REAL NOT NULL,
    utilisation REAL NOT NULL,
    PRIMARY KEY (run, resource)
  ) STRICT, WITHOUT ROWID;

  -- device is null for an exchange that all devices take part in.
  CREATE TABLE spans (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    iteration INTEGER NOT NULL,
    device INTEGER,
    stage TEXT NOT NULL,
    layer INTEGER NOT NULL,
    bound TEXT NOT NULL,
    start_ps INTEGER NOT NULL,
    end_ps INTEGER NOT NULL CHECK (end_ps >= start_ps)
  ) STRICT;

  CREATE VIEW summary AS
  SELECT id AS run, name, model, cluster, phase, policies, trace, seed, device_count, sequences,
    measured_iterations,
    tokens / (measured_time_ps * 1e-12) AS tokens_per_s,
    tokens / (measured_time_ps * 1e-12) / device_count AS tokens_per_s_per_device,
    measured_time_ps * 1e-12 / measured_iterations AS mean_iteration_s,
    (SELECT avg(mean_imbalance) FROM load_balance WHERE run = id) AS mean_imbalance,
    (SELECT max(mean_imbalance) FROM load_balance WHERE run = id) AS worst_layer_imbalance,
    (task_energy_j + idle_energy_j) / nullif(tokens, 0) AS energy_per_token_j,
    trace_is_synthetic,
    (SELECT count(*) FROM remarks WHERE run = id) AS remarks
  FROM runs;

  CREATE VIEW stage_shares AS
  SELECT run, position, stage, stages.kind,
    mean_device_time_s / measured_iterations AS mean_time_per_iteration_s,
    max_device_time_s / measured_iterations AS max_time_per_iteration_s,
    mean_device_time_s / (measured_time_ps * 1e-12) AS share,
    mean_wait_before_s / measured_iterations AS mean_wait_before_per_iteration_s
  FROM stages JOIN runs ON runs.id = run
  ORDER BY run, position;

  CREATE VIEW layer_imbalance AS
  SELECT load_balance.run, load_balance.layer, mean_imbalance, worst_imbalance, worst_iteration,
    sum(token_expert_pairs) AS token_expert_pairs, sum(bytes_sent) AS bytes_sent
  FROM load_balance JOIN layer_load
    ON layer_load.run = load_balance.run AND layer_load.layer = load_balance.layer
  GROUP BY load_balance.run, load_balance.layer
  ORDER BY load_balance.run, load_balance.layer;

  CREATE VIEW utilisation AS
  SELECT run, kind, count(*) AS resources, avg(utilisation) AS mean_utilisation,
    max(utilisation) AS max_utilisation, sum(served) AS served, min(unit) AS capacity_unit
  FROM resources GROUP BY run, kind ORDER BY run, min(resource);

  CREATE VIEW bounds AS
  SELECT b.run, b.stage, b.bound, b.tasks, b.task_time_s,
    b.task_time_s / nullif((SELECT sum(task_time_s) FROM stage_bounds
      WHERE run = b.run AND stage = b.stage), 0) AS share
  FROM stage_bounds AS b JOIN stages AS s ON s.run = b.run AND s.stage = b.stage
  ORDER BY b.run, s.position, share DESC, b.bound;
  """
