/// How long a layer of gated experts takes when one call runs all of it.
///
///     let work = FusedExpertsWork(
///       tokens: 64, chosen: 8, hidden: 7168, intermediate: 2048,
///       load: GroupedLoad(counts: tokensOfEachExpert))
///     let time = FusedExpertsLaw(values).parts(of: work, on: machine).total
///
/// The sum of two grouped multiplications (``GroupedGEMMLaw``), of the kernels that stream rows, and
/// of what each launch and each row to sort costs:
///
///     total = launch + up + down + streamed bytes / (s bandwidth) + rows x row time
///
/// where each of the chosen rows, here or not, passes the gate (reads 2 i, writes i of two bytes) and
/// the sum over a token's experts (reads h), and each token's sum is written; narrow activations are
/// converted before each multiplication (3 bytes for each of h and of i).
public struct FusedExpertsLaw: KernelLaw {
  public var grouped: GroupedGEMMLaw
  public var streamFraction: Double
  public var sortedRow: Double

  public static let terms: [KernelTerm] =
    GroupedGEMMLaw.terms + [
      KernelTerm(
        "stream-fraction", unit: "1",
        meaning: "Share of the bandwidth of kernels that stream rows.",
        start: 0.6, in: 0.1...2),
      KernelTerm(
        "sorted-row", unit: "s", meaning: "To sort one row by its expert.", start: 0.8e-9,
        in: 1e-11...2e-8),
    ]

  public init(_ values: [Double]) {
    grouped = GroupedGEMMLaw(values)
    let count = GroupedGEMMLaw.terms.count
    streamFraction = count < values.count ? values[count] : Self.terms[count].start
    sortedRow = count + 1 < values.count ? values[count + 1] : Self.terms[count + 1].start
  }

  public var values: [Double] { grouped.values + [streamFraction, sortedRow] }

  /// O(1), no allocation.
  public func parts(of work: FusedExpertsWork, on machine: KernelMachine) -> KernelParts {
    prepared(for: machine).parts(of: work)
  }

  public func prepared(for machine: KernelMachine) -> Prepared { Prepared(self, machine) }

  /// ``FusedExpertsLaw`` on one machine.
  public struct Prepared: PreparedKernelLaw {
    let grouped: GroupedGEMMLaw.Prepared
    let perStreamedByte: Double
    let sortedRow: Double

    init(_ law: FusedExpertsLaw, _ machine: KernelMachine) {
      grouped = law.grouped.prepared(for: machine)
      perStreamedByte = 1 / (law.streamFraction * machine.bandwidth)
      sortedRow = law.sortedRow
    }

    public func parts(of work: FusedExpertsWork) -> KernelParts {
      let hidden = Double(work.hidden)
      let inner = Double(work.intermediate)
      let tokens = Double(work.tokens)
      let rows = tokens * Double(work.chosen)
      let reuse =
        work.load.active * 3 * inner * hidden * work.weightBytes + rows * (3 * inner + hidden) * 2
      let upAndDown = GroupedPair(
        n: (2 * work.intermediate, work.hidden), k: (work.hidden, work.intermediate),
        weightBytes: work.weightBytes, activationBytes: work.activationBytes, outputBytes: 2,
        tiling: work.tiling, weightReuse: work.isRepeated ? reuse : .infinity)
      var bytes = rows * (3 * inner + hidden) * 2 + tokens * hidden * 2
      if work.activationBytes < 2 { bytes += 3 * (rows * inner + tokens * hidden) }
      let streams = bytes * perStreamedByte + rows * sortedRow
      let launch = grouped.law.launch
      guard work.load.rows > 0 || work.foreign.rows > 0 else {
        return KernelParts(launch: launch, compute: 0, memory: streams, total: launch + streams)
      }
      let parts = grouped.parts(of: upAndDown, work.load, work.foreign)
      return KernelParts(
        launch: launch, compute: parts.compute.sum(), memory: parts.memory.sum() + streams,
        total: launch + parts.total.sum() + streams)
    }
  }
}
