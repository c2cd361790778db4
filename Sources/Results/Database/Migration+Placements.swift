/// What ``Migration/all`` adds for what was believed of a placement before the run.
let placementSchema = """
  -- By the optimiser, of an iteration: cost_s is work_s, in_node_s and across_nodes_s together. No row for
  -- a run whose placement was not compared with others. Nulls: unseen_* where all requests were profiled,
  -- bound_* where no bound was proven; gap is the cost above the bound over the bound.
  CREATE TABLE placements (
    run INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    placement TEXT NOT NULL,
    traffic TEXT NOT NULL CHECK (traffic IN ('home', 'transition', 'both')),
    objective TEXT NOT NULL CHECK (objective IN ('sum', 'bottleneck')),
    copies INTEGER NOT NULL CHECK (copies > 0),
    profiled_requests INTEGER NOT NULL CHECK (profiled_requests > 0),
    unseen_requests INTEGER NOT NULL CHECK (unseen_requests >= 0),
    cost_s REAL NOT NULL,
    work_s REAL NOT NULL,
    in_node_s REAL NOT NULL,
    across_nodes_s REAL NOT NULL,
    imbalance REAL NOT NULL,
    unseen_cost_s REAL,
    unseen_work_s REAL,
    unseen_in_node_s REAL,
    unseen_across_nodes_s REAL,
    unseen_imbalance REAL,
    bound_s REAL,
    bound_covers TEXT CHECK (bound_covers IN ('everything', 'mean-work')),
    gap REAL,
    is_optimal INTEGER CHECK (is_optimal IN (0, 1))
  ) STRICT;
  """
