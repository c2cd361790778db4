import Units

/// A connection between devices, hosts or nodes.
public struct Link: Hashable, Sendable {
  /// The catalogue name: `nvlink4`.
  public var name: String
  public var fullName: String
  /// Other words for it: `ndr400`.
  public var otherNames: [String] = []
  public var kind: Kind
  /// The data sheet's, each direction.
  public var bandwidth: Bandwidth
  /// What large transfers reached, each direction; nil where nobody measured.
  public var measuredBandwidth: Bandwidth?
  /// From the first byte's departure to its arrival.
  public var latency: SimTime
  /// What each switch on the way adds, where links of this kind meet in switches; nil where unknown.
  public var hopLatency: SimTime?
  /// Messages that one port can begin in a second; nil where nobody knows.
  public var messagesPerSecond: Double?
  /// Every number of the entry with its source.
  public var facts: [SourcedFact]
  /// Protocols and measurements beside the two bandwidths; empty where nothing.
  public var notes: String

  public enum Kind: String, CaseIterable, Hashable, Sendable {
    /// Between the devices of a node.
    case scaleUp = "scale-up"
    /// Between a device and its host.
    case host
    /// Between nodes.
    case scaleOut = "scale-out"
    /// To memory that is not a device's own.
    case memory
    case storage
  }

  public init(
    name: String, fullName: String, kind: Kind, bandwidth: Bandwidth,
    measuredBandwidth: Bandwidth? = nil, latency: SimTime, hopLatency: SimTime? = nil,
    messagesPerSecond: Double? = nil, facts: [SourcedFact] = [], notes: String = ""
  ) {
    self.name = name
    self.fullName = fullName
    self.kind = kind
    self.bandwidth = bandwidth
    self.measuredBandwidth = measuredBandwidth
    self.latency = latency
    self.hopLatency = hopLatency
    self.messagesPerSecond = messagesPerSecond
    self.facts = facts
    self.notes = notes
  }

  /// What an exchange gets, each direction: the measured bandwidth, or else the nominal one.
  public var effectiveBandwidth: Bandwidth { measuredBandwidth ?? bandwidth }

  /// Effective over nominal bandwidth, in (0, 1].
  public var efficiency: Double { effectiveBandwidth / bandwidth }

  /// What results that used this link must say.
  public var remarks: [String] {
    let nominal = "nominal bandwidth: \(name) has no measured one"
    return (measuredBandwidth == nil ? [nominal] : []) + facts.unverifiedRemarks(of: name)
  }
}
