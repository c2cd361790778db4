import Hardware
import Models

/// Profiles of a model's layers as casys-kaist/LLMServingSim has them, to check laws by.
extension MeasurementTable {
  /// Multiplications of a table with `layer_name`, `input` (tokens), `tp_size` and `latency(ns)`, in
  /// bf16, each layer a kernel of its own name.
  ///
  /// Projections are one device's share, a routed expert's matrices are whole whatever `tp_size` is
  /// (their times do not fall with it). Everything else is left out: norms, rotary positions and gates
  /// take 16 us and more for one token, which is several launches, and the table does not say which.
  ///
  /// - Parameter model: Whose layers they are; the table does not say any width.
  /// - Throws: ``CalibrationError``.
  func layerMultiplications(
    of model: ModelArchitecture?, on machine: KernelMachine
  ) throws(CalibrationError) -> (
    rows: [KernelMeasurement<GEMMWork>], leftOut: [LeftOutMeasurement]
  ) {
    guard let model else { throw .modelUnsaid(file: file) }
    guard case .grouped(let attention) = model.attention else {
      throw .implausible(
        file: file, line: 1, detail: "layers of models with latent attention cannot be read")
    }
    try require(["layer_name", "input", "tp_size", "latency(ns)"])
    var found: [KernelMeasurement<GEMMWork>] = []
    var leftOut: [LeftOutMeasurement] = []
    for row in rows {
      let name = text("layer_name", row)
      let devices = try integer("tp_size", row, in: 1...1024)
      let tokens = try integer("input", row, in: 1...(1 << 24))
      let time = try number("latency(ns)", row, in: 1...1e15) * 1e-9
      let place = "\(file):\(row.line)"
      let queries = attention.heads * attention.headDimension
      let keys = attention.keyValueHeads * attention.headDimension
      let width = model.experts.intermediate
      let shape: (n: Int, k: Int)? =
        switch name {
        case "q_proj": (queries / devices, model.hidden)
        case "k_proj", "v_proj": (keys / devices, model.hidden)
        case "o_proj": (model.hidden, queries / devices)
        case "expert.w1", "expert.w3": (width, model.hidden)
        case "expert.w2": (model.hidden, width)
        case "lm_head": (model.vocabulary / devices, model.hidden)
        default: nil
        }
      guard let shape else {
        leftOut.append(
          LeftOutMeasurement(
            place: place,
            reason: "\(name), whose timing has other kernels in it or no law of its own"))
        continue
      }
      guard shape.n > 0, shape.k > 0 else {
        throw .implausible(
          file: file, line: row.line, detail: "\(model.name) has no \(name) over \(devices) devices"
        )
      }
      found.append(
        KernelMeasurement(
          GEMMWork(m: tokens, n: shape.n, k: shape.k), on: machine, time: time,
          family: "\(name) bfloat16", place: place))
    }
    return (found, leftOut)
  }

  /// Decodes of a table with the columns of the profile's attention (`n_embd`, `n_q_head`,
  /// `n_kv_head`, `num_tensor_parallel_workers`, `batch_size`, `kv_cache_size`, `is_prefill` and
  /// `time_stats.attn_decode.median` in ms), in bf16.
  ///
  /// Chunks of prompts have a context before them, and are left out; so are rows whose cache would
  /// be read faster than the memory of the data sheet and its last-level cache can deliver it.
  ///
  /// - Throws: ``CalibrationError``.
  func attentionProfile(
    on device: Device, _ machine: KernelMachine
  ) throws(CalibrationError) -> (
    rows: [KernelMeasurement<AttentionDecodeLaw.Work>], leftOut: [LeftOutMeasurement]
  ) {
    try require([
      "n_embd", "n_q_head", "n_kv_head", "num_tensor_parallel_workers", "batch_size",
      "kv_cache_size", "is_prefill", "time_stats.attn_decode.median",
    ])
    let library = AttentionLibrary(kernel: "", on: device)
    var found: [KernelMeasurement<AttentionDecodeLaw.Work>] = []
    var leftOut: [LeftOutMeasurement] = []
    for row in rows {
      let place = "\(file):\(row.line)"
      guard text("is_prefill", row) != "True" else {
        leftOut.append(
          LeftOutMeasurement(place: place, reason: "a prompt with a context before it"))
        continue
      }
      let heads = try integer("n_q_head", row, in: 1...4096)
      let keyHeads = try integer("n_kv_head", row, in: 1...4096)
      let devices = try integer("num_tensor_parallel_workers", row, in: 1...min(heads, keyHeads))
      let work = AttentionDecodeLaw.Work(
        library, sequences: try integer("batch_size", row, in: 1...(1 << 20)),
        context: try integer("kv_cache_size", row, in: 1...(1 << 26)), queryHeads: heads / devices,
        keyHeads: keyHeads / devices,
        width: try integer("n_embd", row, in: heads...(1 << 20)) / heads)
      let time = try seconds("time_stats.attn_decode.median", row, unit: 1e-3)
      let bytes = 4 * Double(work.sequences * work.context * work.keyHeads * work.width)
      guard bytes - machine.cache <= machine.bandwidth * time else {
        leftOut.append(
          LeftOutMeasurement(
            place: place, reason: "a cache read faster than the data sheet's memory can"))
        continue
      }
      found.append(
        KernelMeasurement(
          work, on: machine, time: time, family: "attn_decode bfloat16", place: place))
    }
    return (found, leftOut)
  }
}
