import Engine
import Units

/// The tables that a result is written as, to SQLite and as CSV alike: their columns, and what
/// stands in their rows.
///
/// A column's name ends in its unit. Times that add up exactly are whole picoseconds (`_ps`), means
/// are seconds (`_s`). `layer` is -1 for work that belongs to none. No table holds the time of day:
/// the same scenario, seed and version give the same bytes.
enum ResultTable: String, CaseIterable {
  case runs
  case remarks
  case stages
  case stageBounds = "stage_bounds"
  case criticalPath = "critical_path"
  case iterations
  case layers
  case devices
  case layerLoad = "layer_load"
  case loadBalance = "load_balance"
  case resources
  case spans
  case pairTraffic = "pair_traffic"
  case duplicates
  case limits
  case roofs
  case placements

  /// Without the run's id, which only a database has.
  var columns: [String] {
    switch self {
    case .runs:
      [
        "name", "scenario", "seed", "program_version", "model", "cluster", "policies", "trace",
        "trace_is_synthetic", "phase", "device_count", "layer_count", "sequences",
        "context_tokens", "warmup_iterations", "measured_iterations", "measured_time_ps", "tokens",
        "task_energy_j", "idle_energy_j",
      ]
    case .remarks: ["position", "remark"]
    case .stages:
      [
        "stage", "position", "kind", "tasks", "mean_device_time_s", "max_device_time_s",
        "mean_wait_before_s", "energy_j",
      ]
    case .stageBounds: ["stage", "bound", "tasks", "task_time_s"]
    case .criticalPath: ["stage", "bound", "time_s"]
    case .iterations: ["iteration", "start_ps", "end_ps", "tokens"]
    case .layers:
      [
        "layer", "stage", "mean_device_time_s", "max_device_time_s", "mean_wait_before_s",
        "max_wait_before_s",
      ]
    case .devices: ["device", "stage", "time_ps"]
    case .layerLoad: ["layer", "device", "token_expert_pairs", "bytes_sent"]
    case .loadBalance: ["layer", "mean_imbalance", "worst_imbalance", "worst_iteration"]
    case .resources:
      [
        "resource", "name", "kind", "device", "unit", "capacity_per_s", "served", "utilisation",
        "is_link", "busy_s", "waited_s",
      ]
    case .spans: ["iteration", "device", "stage", "layer", "bound", "start_ps", "end_ps"]
    case .pairTraffic: ["source", "target", "bytes"]
    case .duplicates: ["experts_needed", "experts_found"]
    case .limits: ["tokens_per_s", "bound_by"]
    case .roofs:
      [
        "resource", "position", "share_of_bound", "elasticity_of_bound", "elasticity_in_turn",
        "critical_path_share",
      ]
    case .placements:
      [
        "placement", "traffic", "objective", "copies", "profiled_requests", "unseen_requests",
        "cost_s", "work_s", "in_node_s", "across_nodes_s", "imbalance", "unseen_cost_s",
        "unseen_work_s", "unseen_in_node_s", "unseen_across_nodes_s", "unseen_imbalance", "bound_s",
        "bound_covers", "gap", "is_optimal",
      ]
    }
  }

  /// Gives the sink every row of the table, in the one order that the result defines.
  func write(_ result: RunResult, to sink: inout some RowSink) throws {
    switch self {
    case .runs: try result.writeRun(to: &sink)
    case .remarks: try result.writeRemarks(to: &sink)
    case .stages: try result.writeStages(to: &sink)
    case .stageBounds: try result.writeStageBounds(to: &sink)
    case .criticalPath: try result.writeCriticalPath(to: &sink)
    case .iterations: try result.writeIterations(to: &sink)
    case .layers: try result.writeLayers(to: &sink)
    case .devices: try result.writeDevices(to: &sink)
    case .layerLoad: try result.writeLayerLoad(to: &sink)
    case .loadBalance: try result.writeLoadBalance(to: &sink)
    case .resources: try result.writeResources(to: &sink)
    case .spans: try result.writeSpans(to: &sink)
    case .pairTraffic: try result.writePairTraffic(to: &sink)
    case .duplicates: try result.writeDuplicates(to: &sink)
    case .limits: try result.writeLimit(to: &sink)
    case .roofs: try result.writeRoofs(to: &sink)
    case .placements: try result.writePlacement(to: &sink)
    }
  }

  /// Whether the result holds what the table is for; some are kept only where they are asked for.
  func isKept(in result: RunResult) -> Bool {
    switch self {
    case .spans: !result.spans.isEmpty
    case .pairTraffic: result.pairs != nil
    case .duplicates: result.duplicates != nil
    case .limits, .roofs: result.bound != nil
    case .placements: result.placement != nil
    default: true
    }
  }
}
