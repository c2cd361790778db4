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
    public var launches: Launches

    public var work: Work { launches.work }
  }

  /// Whose resources bind the launches.
  public let machine: Machine
  public private(set) var parts: [Part] = []
  /// By layer of the model, and last what belongs to no layer.
  public private(set) var layers: [Work]
  public private(set) var total = Work()
  /// By resource: the time of all launches that it binds.
  public private(set) var inTurn = ResourceTimes()
  private var places: [Key: Int] = [:]
  /// `[part][layer]`: whether it runs there.
  private var runs: [[Bool]] = []

  private struct Key: Hashable {
    var stage: String
    var name: String
  }

  public init(layers: Int, on machine: Machine) {
    self.layers = Array(repeating: Work(), count: layers + 1)
    self.machine = machine
  }

  /// Adds one launch, or moves that follow each other.
  ///
  /// - Parameter layer: Of the model; nil for none.
  public mutating func add(_ work: Work, stage: String, name: String, layer: Int?) {
    add(Launches(work, on: machine), stage: stage, name: name, layer: layer)
  }

  /// - Parameter layer: Of the model; nil for none.
  public mutating func add(_ launches: Launches, stage: String, name: String, layer: Int?) {
    total.add(launches.work)
    inTurn.add(launches.inTurn)
    layers[layer ?? layers.count - 1].add(launches.work)
    let key = Key(stage: stage, name: name)
    let place = places[key] ?? parts.count
    if place == parts.count {
      places[key] = place
      parts.append(Part(stage: stage, name: name, layers: 0, launches: Launches()))
      runs.append(Array(repeating: false, count: layers.count - 1))
    }
    parts[place].launches.add(launches)
    guard let layer, !runs[place][layer] else { return }
    runs[place][layer] = true
    parts[place].layers += 1
  }
}

extension IterationWork {
  /// The time of all launches one after the other, each at the speed of what binds it: what a machine
  /// takes that does one thing at a time, without latencies, at its peaks. No bound where they run
  /// beside each other.
  public var timeInTurn: Seconds { inTurn.sum }
}
