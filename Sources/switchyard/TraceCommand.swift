import ArgumentParser
import Foundation
import Results
import Traces
import Units

struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "Looks at, makes and converts expert-selection traces.",
    discussion: """
      A trace says which experts each token chose at each layer. It is one file, *.routing, that \
      names the model it is of, keeps sequences and their prefill and decode parts apart, and carries \
      checksums.

      A first look at one, and making one from recorded data:
        switchyard trace info traces/switchyard-docs-moe.routing
        switchyard trace import run.npz --experts 64 --phase decode -o run.routing
      """,
    subcommands: [Info.self, Stats.self, Import.self, Synthesize.self])
}

extension TraceCommand {
  struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "info",
      abstract: "Says what a trace is of, and verifies every byte of it.",
      discussion: """
        Example:
          switchyard trace info traces/switchyard-docs-moe.routing
        """)

    @Argument(help: ArgumentHelp("The trace, a *.routing file.", valueName: "trace"))
    var file: String

    @Flag(help: "Print one JSON object instead of a table.")
    var json = false

    func run() throws {
      let trace = try reportingFailures {
        let trace = try RoutingTrace(opening: file)
        try trace.verify()
        return trace
      }
      if json { return try printResult(try encoded(TraceSummary(trace))) }
      try printTable(rows(of: trace))
    }

    private func rows(of trace: RoutingTrace) -> [(String, String)] {
      let shape = trace.shape
      let lengths = trace.sequences.map(\.tokens)
      return [
        ("model", shape.model),
        ("origin", trace.origin == .synthetic ? "SYNTHETIC, not recorded" : "recorded"),
        ("provenance", trace.provenance),
        ("MoE layers", "\(shape.layers) (ids \(ranges(of: shape.layerIDs)))"),
        ("experts", "\(shape.experts), top-\(shape.topK)"),
        (
          "sequences",
          "\(trace.sequences.count) of \(lengths.min() ?? 0) to \(lengths.max() ?? 0) tokens"
        ),
        (
          "tokens",
          "\(trace.tokens) (\(trace.prefillTokens) prefill, \(trace.decodeTokens) decode)"
        ),
        ("selections", "\(Bytes(trace.selectionsBytes))"),
        ("gate weights", "\(trace.gateFormat)"),
        ("checksums", "verified"),
      ]
    }
  }

  struct Stats: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "stats",
      abstract: "Measures load skew, reuse, next-layer dependence and device imbalance.",
      discussion: """
        load skew: the most loaded expert over the mean of its layer.
        reuse: the share of a token's experts that the token before it chose too.
        H(next layer), H(next | this): bits of the next layer's choice, before and after one of \
        this layer's experts is known.
        coverage: the share of next-layer choices that fall on the likeliest 20 % of candidates.
        device imbalance: max/mean load of contiguous devices, over batches of random tokens.

        Example:
          switchyard trace stats traces/switchyard-docs-moe.routing --devices 16
        """)

    @Argument(help: ArgumentHelp("The trace, a *.routing file.", valueName: "trace"))
    var file: String

    @Option(help: "Devices over which each layer's experts lie in order.")
    var devices = 8

    @Option(help: "Tokens in a batch.")
    var batch = 128

    @Option(help: "Seed of the random batches.")
    var seed: UInt64 = 0

    @Flag(help: "Print one JSON object instead of a table.")
    var json = false

    func validate() throws {
      guard (1...65_535).contains(devices) else {
        throw ValidationError("--devices is \(devices); it must be from 1 to 65535")
      }
      guard (1...10_000_000).contains(batch) else {
        throw ValidationError("--batch is \(batch); it must be from 1 to 10000000")
      }
    }

    func run() throws {
      let trace = try reportingFailures {
        try RoutingTrace(opening: file)
      }
      let statistics = trace.statistics(devices: devices, batch: batch, seed: seed)
      if json { return try printResult(try encoded(StatisticsSummary(trace, statistics))) }
      try printTable(rows(of: trace, statistics))
    }

    private func rows(of trace: RoutingTrace, _ found: TraceStatistics) -> [(String, String)] {
      var rows = [
        ("trace", "\(trace.shape.model), \(trace.shape.summary), \(trace.tokens) tokens"),
        ("origin", trace.origin == .synthetic ? "SYNTHETIC, not recorded" : "recorded"),
        (
          "load skew, layer mean (worst)",
          "\(fixed(found.loadSkew.mean, decimals: 2)) (\(fixed(found.loadSkew.worst, decimals: 2)))"
        ),
      ]
      if let reuse = found.prefillReuse {
        rows.append(("next-token reuse, prefill", fixed(reuse, decimals: 3)))
      }
      if let reuse = found.decodeReuse {
        rows.append(("next-token reuse, decode", fixed(reuse, decimals: 3)))
      }
      if let next = found.nextLayer {
        rows += [
          ("H(next layer)", "\(fixed(next.entropy, decimals: 2)) bits"),
          ("H(next | this)", "\(fixed(next.conditionalEntropy, decimals: 2)) bits"),
          ("coverage of top 20 % of candidates", "\(fixed(100 * next.coverage, decimals: 1)) %"),
        ]
      }
      let imbalance = found.deviceImbalance
      rows.append(
        (
          "max/mean load, \(imbalance.devices) contiguous devices, batch \(imbalance.batch)",
          fixed(imbalance.mean, decimals: 2)
        ))
      return rows
    }
  }

  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "import",
      abstract: "Makes a trace from recorded selections in another format.",
      discussion: """
        Formats (--format; recognised by name and content where left out):
          uint8              X.experts.bin[.xz] with X.requests.csv and X.meta.json
          npy, npz           integers [tokens, layers, top-k], as vLLM returns them
          csv                request,phase,token,layer,e0,e1,...
          jsonl              {"request":"a","phase":"decode","token":0,
                              "layer":3,"experts":[5,1]}
          expert-selections  a JSON list for each request: prefill, then decode steps
          moe-beyond         a CSV for each prompt, of DeepSeek-V2-Lite
          gpt-oss-examples   a JSON with router_data for each request
          tensor-log         printed 'Layer N topk_ids: tensor(...)'
        The last four also take a folder, a .tar or a .tar.xz.

        Examples:
          switchyard trace import run.experts.bin.xz -o run.routing
          switchyard trace import run.npz --experts 256 --phase decode -o run.routing
          switchyard trace import run.csv --model my-moe --experts 64 -o run.routing
        """)

    @Argument(help: "What was recorded: a file, or a folder of files.")
    var input: String

    @Option(name: [.short, .customLong("output")], help: "The trace to write, a *.routing file.")
    var output: String

    @Option(help: "The input's format.")
    var format: ImportFormat?

    @Option(help: "The model's name, where the input does not say it.")
    var model: String?

    @Option(help: "Routed experts in a layer, where the input does not say it.")
    var experts: Int?

    @Option(help: "What the tokens of an array are: prefill or decode.")
    var phase: TokenPhase?

    @Option(help: "Where the data are from, kept in the trace.")
    var provenance: String?

    @Option(help: "Keep gate weights, where there are any, as float32 or float16.")
    var gateWeights: GateFormat?

    @Flag(help: "Replace the output if it exists.")
    var force = false

    func run() throws {
      var options = ImportOptions()
      options.model = model
      options.experts = experts
      options.phase = phase
      options.provenance = provenance
      options.gateFormat = gateWeights ?? .none
      options.isReplacing = force
      let trace = try reportingFailures {
        let found = try importTrace(from: input, format: format, to: output, options: options)
        say("read \(input) as \(found.rawValue)")
        return try RoutingTrace(opening: output)
      }
      say(
        "wrote \(output): \(trace.shape.model), \(trace.shape.summary), "
          + "\(trace.sequences.count) sequences, \(trace.tokens) tokens")
    }
  }

  struct Synthesize: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "synthesize",
      abstract: "Draws a trace of another shape from the statistics of a recorded one.",
      discussion: """
        The new trace has the recorded one's popularity of experts, next-layer dependence and \
        next-token reuse, and is marked synthetic. The same seed gives the same file.

        Example, in the shape of DeepSeek-V3, whose first three layers have no experts:
          switchyard trace synthesize traces/switchyard-docs-moe.routing \\
            --layers 58 --first-layer 3 --experts 256 --top-k 8 \\
            --model deepseek-v3 -o v3.routing
        """)

    @Argument(help: ArgumentHelp("The recorded trace, a *.routing file.", valueName: "trace"))
    var file: String

    @Option(name: [.short, .customLong("output")], help: "The trace to write, a *.routing file.")
    var output: String

    @Option(help: "MoE layers; as recorded where left out.")
    var layers: Int?

    @Option(help: "The model's number of the first MoE layer; 0 where left out.")
    var firstLayer: Int?

    @Option(help: "Routed experts in a layer; as recorded where left out.")
    var experts: Int?

    @Option(help: "Experts a token takes in a layer; as recorded where left out.")
    var topK: Int?

    @Option(help: "Sequences.")
    var sequences = 1_000

    @Option(help: "Prefill tokens of each sequence.")
    var prefill = 0

    @Option(help: "Decode tokens of each sequence.")
    var decode = 64

    @Option(help: "The model's name in the new trace.")
    var model: String?

    @Option(help: "Seed of the random draws.")
    var seed: UInt64 = 0

    @Option(help: "Threads; they change nothing but the time.")
    var threads = ProcessInfo.processInfo.activeProcessorCount

    @Flag(help: "Replace the output if it exists.")
    var force = false

    func validate() throws {
      let counts = [
        ("--layers", layers), ("--first-layer", firstLayer), ("--sequences", sequences),
        ("--prefill", prefill), ("--decode", decode),
      ]
      for case (let option, let count?) in counts where !(0...Int(Int32.max)).contains(count) {
        throw ValidationError("\(option) is \(count); it must be from 0 to \(Int32.max)")
      }
      guard firstLayer == nil || layers != nil else {
        throw ValidationError("--first-layer has no effect without --layers")
      }
      guard (1...1024).contains(threads) else {
        throw ValidationError("--threads is \(threads); it must be from 1 to 1024")
      }
    }

    func run() throws {
      let start = ProcessInfo.processInfo.systemUptime
      let written = try reportingFailures {
        let recorded = try RoutingTrace(opening: file)
        let old = recorded.shape
        let ids = layers.map { count in
          let first = firstLayer ?? 0
          return Array(first..<first + min(count, 65_537))
        }
        let shape = try RoutingShape(
          model: model ?? "synthetic after \(old.model)", layerIDs: ids ?? old.layerIDs,
          experts: experts ?? old.experts, topK: topK ?? old.topK)
        try synthesizeTrace(
          SynthesisRequest(
            shape: shape, sequences: sequences, prefillTokens: prefill, decodeTokens: decode,
            seed: seed, threads: threads), from: recorded, to: output, replacing: force)
        return shape
      }
      let seconds = Seconds(ProcessInfo.processInfo.systemUptime - start)
      say(
        "wrote \(output): SYNTHETIC, \(written.summary), \(sequences) sequences of "
          + "\(prefill + decode) tokens, in \(seconds)")
    }
  }
}

extension ImportFormat: ExpressibleByArgument {}
extension TokenPhase: ExpressibleByArgument {}

extension GateFormat: ExpressibleByArgument {
  public init?(argument: String) {
    switch argument {
    case "float32": self = .float32
    case "float16": self = .float16
    default: return nil
    }
  }
}

/// Two columns: what, and how much.
private func printTable(_ rows: [(String, String)]) throws {
  var table = TextTable([.left(""), .left("")])
  for (name, value) in rows { table.add(name, value) }
  try printResult(table.description)
}

/// `1-26`, `0, 4-7`.
func ranges(of ids: [Int]) -> String {
  var runs: [ClosedRange<Int>] = []
  for id in ids {
    if let last = runs.last, id == last.upperBound + 1 {
      runs[runs.count - 1] = last.lowerBound...id
    } else {
      runs.append(id...id)
    }
  }
  return runs.map {
    $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
  }.joined(separator: ", ")
}

private func encoded(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// What `trace info --json` prints.
private struct TraceSummary: Encodable {
  let model: String
  let origin: String
  let provenance: String
  let layerIDs: [Int]
  let experts: Int
  let topK: Int
  let sequences: Int
  let prefillTokens: Int
  let decodeTokens: Int
  let selectionsBytes: Int
  let gateWeights: String

  init(_ trace: RoutingTrace) {
    model = trace.shape.model
    origin = trace.origin.word
    provenance = trace.provenance
    layerIDs = trace.shape.layerIDs
    experts = trace.shape.experts
    topK = trace.shape.topK
    sequences = trace.sequences.count
    prefillTokens = trace.prefillTokens
    decodeTokens = trace.decodeTokens
    selectionsBytes = trace.selectionsBytes
    gateWeights = "\(trace.gateFormat)"
  }
}

/// What `trace stats --json` prints.
private struct StatisticsSummary: Encodable {
  let model: String
  let origin: String
  let loadSkewMean: Double
  let loadSkewWorst: Double
  let prefillReuse: Double?
  let decodeReuse: Double?
  let nextLayerEntropyBits: Double?
  let nextLayerConditionalEntropyBits: Double?
  let nextLayerCoverage: Double?
  let devices: Int
  let batchTokens: Int
  let deviceImbalance: Double

  init(_ trace: RoutingTrace, _ statistics: TraceStatistics) {
    model = trace.shape.model
    origin = trace.origin.word
    loadSkewMean = statistics.loadSkew.mean
    loadSkewWorst = statistics.loadSkew.worst
    prefillReuse = statistics.prefillReuse
    decodeReuse = statistics.decodeReuse
    nextLayerEntropyBits = statistics.nextLayer?.entropy
    nextLayerConditionalEntropyBits = statistics.nextLayer?.conditionalEntropy
    nextLayerCoverage = statistics.nextLayer?.coverage
    devices = statistics.deviceImbalance.devices
    batchTokens = statistics.deviceImbalance.batch
    deviceImbalance = statistics.deviceImbalance.mean
  }
}
