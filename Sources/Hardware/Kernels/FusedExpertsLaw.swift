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
    let hidden = Double(work.hidden)
    let inner = Double(work.intermediate)
    let tokens = Double(work.tokens)
    let rows = tokens * Double(work.chosen)
    var up = GroupedGEMMWork(
      load: work.load, foreign: work.foreign, n: 2 * work.intermediate, k: work.hidden,
      weightBytes: work.weightBytes, activationBytes: work.activationBytes, tiling: work.tiling)
    if work.isRepeated {
      up.weightReuse =
        work.load.active * 3 * inner * hidden * work.weightBytes + rows * (3 * inner + hidden) * 2
    }
    var down = up
    down.n = work.hidden
    down.k = work.intermediate
    let first = grouped.multiplication(up, machine)
    let second = grouped.multiplication(down, machine)
    var bytes = rows * (3 * inner + hidden) * 2 + tokens * hidden * 2
    if work.activationBytes < 2 { bytes += 3 * (rows * inner + tokens * hidden) }
    let streams = bytes / (streamFraction * machine.bandwidth) + rows * sortedRow
    return KernelParts(
      launch: grouped.launch, compute: first.compute + second.compute,
      memory: first.memory + second.memory + streams,
      total: grouped.launch + first.total + second.total + streams)
  }
}
