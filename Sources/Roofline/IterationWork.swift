import Models
import Units

/// What a stretch of a run asks of a machine, part by part: operators by what they are for, and what
/// goes over links.
public struct IterationWork: Sendable {
  /// An operator in all places where it runs, or a move of bytes.
  public struct Part: Hashable, Sendable {
    /// The stage of an iteration that it belongs to: `attention`.
    public var stage: String
    /// The operator, or what is moved: `query, key, value`.
    public var name: String
    /// In how many layers it runs; 0 for a part of none.
    public var layers: Int
    public var work: Work
  }

  public private(set) var parts: [Part] = []
  /// By layer of the model, and last what belongs to no layer.
  public private(set) var layers: [Work]
  public private(set) var total = Work()
  private var places: [Key: Int] = [:]
  /// Of each part, the layer that it was added for last.
  private var lastLayers: [Int?] = []

  private struct Key: Hashable {
    var stage: String
    var name: String
  }

  public init(layers: Int) { self.layers = Array(repeating: Work(), count: layers + 1) }

  /// - Parameter layer: Of the model; nil for none.
  public mutating func add(_ work: Work, stage: String, name: String, layer: Int?) {
    total.add(work)
    layers[layer ?? layers.count - 1].add(work)
    let key = Key(stage: stage, name: name)
    if let place = places[key] {
      parts[place].work.add(work)
      parts[place].layers += layer == nil || layer == lastLayers[place] ? 0 : 1
      lastLayers[place] = layer
    } else {
      places[key] = parts.count
      lastLayers.append(layer)
      parts.append(Part(stage: stage, name: name, layers: layer == nil ? 0 : 1, work: work))
    }
  }
}

extension IterationWork {
  /// The time of all parts one after the other, each at the speed of what binds it: what a machine
  /// takes that does one thing at a time, without latencies, at its peaks. No bound where parts run
  /// beside each other.
  public func timeInTurn(on machine: Machine) -> Seconds {
    parts.reduce(.zero) { $0 + machine.times(of: $1.work).bound }
  }

  /// The share of ``timeInTurn(on:)`` that each resource binds, most first.
  public func sharesInTurn(on machine: Machine) -> [(resource: Resource, share: Double)] {
    var seconds: [Resource: Double] = [:]
    for part in parts {
      let times = machine.times(of: part.work)
      if let binding = times.binding { seconds[binding, default: 0] += times.bound.value }
    }
    let whole = seconds.values.reduce(0, +)
    guard whole > 0 else { return [] }
    return Resource.allCases.compactMap { resource in
      seconds[resource].map { (resource, $0 / whole) }
    }.enumerated().sorted { ($1.element.1, $0.offset) < ($0.element.1, $1.offset) }
      .map(\.element)
  }
}
