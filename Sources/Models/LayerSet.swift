/// Some of a model's layers, counted from 0.
///
///     LayerSet.after(3, of: 61)      // DeepSeek-V3: all but the first three
///     LayerSet.every(2, of: 48)      // Llama 4 Maverick: 1, 3, ..., 47
///
/// `contains` is O(1) and allocates nothing.
public struct LayerSet: Hashable, Sendable {
  private var members: [Bool]
  /// How many layers are in the set.
  public private(set) var count: Int

  public init(of layers: Int, where isMember: (Int) -> Bool) {
    members = (0..<layers).map(isMember)
    count = members.count { $0 }
  }

  public static func all(of layers: Int) -> LayerSet { LayerSet(of: layers) { _ in true } }
  public static let none = LayerSet(of: 0) { _ in false }

  /// All but the first `dense` layers.
  public static func after(_ dense: Int, of layers: Int) -> LayerSet {
    LayerSet(of: layers) { $0 >= dense }
  }

  /// The layers whose number leaves `offset` when divided by `period`: by default the last of each
  /// period, as Switch, NLLB, GLaM, Llama 4 and Jamba place their experts.
  public static func every(_ period: Int, offset: Int? = nil, of layers: Int) -> LayerSet {
    LayerSet(of: layers) { $0 % period == offset ?? period - 1 }
  }

  public static func listed(_ list: [Int], of layers: Int) -> LayerSet {
    LayerSet(of: layers) { list.contains($0) }
  }

  /// False also for layers the model does not have.
  public func contains(_ layer: Int) -> Bool {
    layer >= 0 && layer < members.count && members[layer]
  }
}
