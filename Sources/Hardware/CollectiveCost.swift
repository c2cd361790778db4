import Foundation
import Units

/// What a collective costs beside the bytes that a fluid of links knows: launch and protocol, a
/// ramp at middle sizes, an asymptote below the link's nominal bandwidth, the multiprocessors' own
/// speed.
///
///     let found = catalogue.collectiveCost(for: .allToAll, .nccl, scaleUp: link, ranks: 8)
///     let time = found.map { $0.cost.time(of: $0.cost.load(buffer: 1e6, ranks: 8), on: ports) }
///
/// Belongs to a generation of links and a library, never to a paper or a scenario. Fitted to
/// measurements by `switchyard calibrate collectives`. One form for all, with n ranks on g nodes, W
/// bytes through a rank's scale-up port P, N through its scale-out port Q, m bytes in a message,
/// and C copied, A staged bytes handled by M multiprocessors:
///
///     t = launch + perRank (n - 1) + perDoubling log2 g + perExpert (experts of a rank)
///       + min(m / protocolBandwidth, protocolCeiling) + m / copyBandwidth + ramp sqrt(W / 1 MiB)
///       + max(W / (share P), N / (networkShare(g) Q),
///             (C / copyingBandwidth + A / stagingBandwidth) / M)
///
/// A fabric that already shares links between flows takes W / (share P) and N / (networkShare Q)
/// from there, beside what is handled; on ports of its own that is the fitted time.
public struct CollectiveCost: Hashable, Sendable {
  public var name = ""
  public var library = CollectiveLibrary.nccl
  public var operation = CollectiveOperation.allToAll
  public var algorithm = ReductionPlace.ranks
  /// Names of the catalogue's links; the second is nil where the measurements stayed in a node.
  public var scaleUp = ""
  public var scaleOut: String?

  /// From the call to the first byte, with one rank and one node.
  public var launch: Seconds
  /// For each further rank.
  public var perRank: Seconds = .zero
  /// For each doubling of the nodes.
  public var perDoubling: Seconds = .zero
  /// For each expert that lives on a rank: its count is sent even where no token is.
  public var perExpert: Seconds = .zero
  /// The low-latency protocol's price for a message, on top of its bytes on the wire, until another
  /// protocol with a higher start takes over; nil where there is no such switch.
  public var protocolBandwidth: Bandwidth?
  /// What the other protocol's start costs more.
  public var protocolCeiling: Seconds = .zero
  /// For 1 MiB on the wire; grows with the square root of the bytes, as channels and chunks do.
  public var ramp: Seconds = .zero
  /// At which a rank copies its own part; nil where that was not seen.
  public var copyBandwidth: Bandwidth?
  /// Of the scale-up port's nominal bandwidth, in (0, 1].
  public var share = 1.0
  /// Of the scale-out port's nominal bandwidth, by number of nodes, ascending; empty in one node.
  public var networkShares: [NetworkShare] = []
  /// At which one multiprocessor makes copies for devices; nil where that was not seen to cost.
  public var copyingBandwidth: Bandwidth?
  /// At which one multiprocessor takes in or adds up what is staged; nil where that was not seen.
  public var stagingBandwidth: Bandwidth?
  public var range = Range()
  public var fit = Fit()
  /// Every number of the entry with its source.
  public var facts: [SourcedFact] = []
  /// The data set that the numbers were fitted to.
  public var citation = ""

  public struct NetworkShare: Hashable, Sendable {
    public var nodes: Int
    public var share: Double

    public init(nodes: Int, share: Double) {
      self.nodes = nodes
      self.share = share
    }
  }

  /// What was measured. Outside of it a cost is extrapolated.
  public struct Range: Hashable, Sendable {
    /// Sent by each rank, scale-up and scale-out together.
    public var bytes: ClosedRange<Bytes>
    public var ranks: ClosedRange<Int>
    public var nodes: ClosedRange<Int>

    public init(
      bytes: ClosedRange<Bytes> = .zero ... .zero, ranks: ClosedRange<Int> = 1...1,
      nodes: ClosedRange<Int> = 1...1
    ) {
      self.bytes = bytes
      self.ranks = ranks
      self.nodes = nodes
    }
  }

  /// How well the form meets the measurements: relative errors, 0.05 for five percent.
  public struct Fit: Hashable, Sendable {
    /// `2026-11-21`
    public var date: String
    public var rows: Int
    public var heldOut: Int
    public var median: Double
    public var ninetieth: Double
    public var worst: Double
    /// Of the rows that the check's fit did not see.
    public var heldOutMedian: Double

    public init(
      date: String = "", rows: Int = 0, heldOut: Int = 0, median: Double = 0,
      ninetieth: Double = 0, worst: Double = 0, heldOutMedian: Double = 0
    ) {
      self.date = date
      self.rows = rows
      self.heldOut = heldOut
      self.median = median
      self.ninetieth = ninetieth
      self.worst = worst
      self.heldOutMedian = heldOutMedian
    }
  }

  /// A form of which only the launch is known; nothing else costs.
  public init(launch: Seconds) { self.launch = launch }
}

extension CollectiveCost {
  /// A rank's ports, nominal, each direction.
  public struct Ports: Hashable, Sendable {
    public var scaleUp: Bandwidth
    public var scaleOut: Bandwidth?

    public init(scaleUp: Bandwidth, scaleOut: Bandwidth? = nil) {
      self.scaleUp = scaleUp
      self.scaleOut = scaleOut
    }
  }

  /// Of the scale-out port's nominal bandwidth with so many nodes: linear in log2 of the nodes
  /// between those that were measured, the nearest one's outside; 1 where none was.
  public func networkShare(nodes: Int) -> Double {
    guard let first = networkShares.first, let last = networkShares.last else { return 1 }
    guard nodes > first.nodes else { return first.share }
    guard let upper = networkShares.first(where: { $0.nodes >= nodes }),
      let lower = networkShares.last(where: { $0.nodes < nodes })
    else { return last.share }
    let position =
      (log2(Double(nodes)) - log2(Double(lower.nodes)))
      / (log2(Double(upper.nodes)) - log2(Double(lower.nodes)))
    return lower.share + position * (upper.share - lower.share)
  }

  /// What passes independently of the bytes' way over the links.
  public func startUp(of load: CollectiveLoad) -> Seconds {
    var seconds = launch + perRank * Double(load.ranks - 1)
    if load.nodes > 1 { seconds = seconds + perDoubling * log2(Double(load.nodes)) }
    seconds = seconds + perExpert * load.expertsPerRank
    if let protocolBandwidth {
      seconds = seconds + min(load.messageBytes / protocolBandwidth, protocolCeiling)
    }
    if let copyBandwidth { seconds = seconds + load.messageBytes / copyBandwidth }
    return seconds + ramp * (load.wireBytes.value / 0x1p20).squareRoot()
  }

  /// What the bytes take on links that nobody else uses.
  public func fluidTime(of load: CollectiveLoad, on ports: Ports) -> Seconds {
    let inside = load.wireBytes / (ports.scaleUp * share)
    guard let port = ports.scaleOut else { return inside }
    return max(inside, load.networkBytes / (port * networkShare(nodes: load.nodes)))
  }

  /// What the multiprocessors take to handle the copies.
  public func handlingTime(of load: CollectiveLoad) -> Seconds {
    guard load.multiprocessors > 0 else { return .zero }
    let copying = copyingBandwidth.map { load.copiedBytes / $0 } ?? .zero
    let staging = stagingBandwidth.map { load.stagedBytes / $0 } ?? .zero
    return (copying + staging) / Double(load.multiprocessors)
  }

  /// The fitted time.
  public func time(of load: CollectiveLoad, on ports: Ports) -> Seconds {
    startUp(of: load) + max(fluidTime(of: load, on: ports), handlingTime(of: load))
  }

  /// What a collective inside a node, of this operation and algorithm, asks of each rank.
  public func load(buffer: Bytes, ranks: Int) -> CollectiveLoad {
    CollectiveLoad(operation, buffer: buffer, ranks: ranks, algorithm: algorithm)
  }

  /// Whether the question lies within what was measured.
  public func isWithin(_ load: CollectiveLoad) -> Bool {
    range.ranks.contains(load.ranks) && range.nodes.contains(load.nodes)
      && range.bytes.contains(load.bytesSent)
  }

  /// What results must say where the question lies outside of what was measured.
  public func remarks(for load: CollectiveLoad) -> [String] {
    guard !isWithin(load) else { return [] }
    let nodes = range.nodes.upperBound > 1 ? ", \(words(range.nodes)) nodes" : ""
    return [
      "extrapolated: \(name) was measured with \(words(range.ranks)) ranks\(nodes) and "
        + "\(range.bytes.lowerBound) to \(range.bytes.upperBound) from each"
    ]
  }

  private func words(_ span: ClosedRange<Int>) -> String {
    span.count == 1 ? "\(span.lowerBound)" : "\(span.lowerBound) to \(span.upperBound)"
  }
}
