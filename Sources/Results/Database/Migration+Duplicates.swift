/// What ``Migration/all`` adds for copies of others' experts.
let duplicateSchema = """
  -- Over all measured iterations; no row for a run in which no copies were kept. An expert that a device
  -- computed without holding it counts once for each device, layer and iteration.
  CREATE TABLE duplicates (
    run INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    experts_needed INTEGER NOT NULL CHECK (experts_needed >= 0),
    experts_found INTEGER NOT NULL CHECK (experts_found BETWEEN 0 AND experts_needed)
  ) STRICT;
  """
