/// What the innermost loops of a search read and change: nothing but numbers and bare memory, which a
/// ``SearchState`` owns, so that a copy of it in registers is all that a loop needs.
struct SwapTables {
  typealias Row = SIMD8<Float>

  let layers: Int
  let items: Int
  let groups: Int
  let nodes: Int
  let slots: Int
  let experts: Int
  let rowVectors: Int
  let windowVectors: Int
  let hasTransitions: Bool
  let hasHome: Bool
  let hasReplicas: Bool
  let spreads: Bool
  let hasPlaces: Bool
  let groupSaving: Float
  let nodeSaving: Float

  // Of SearchTables, shared and only read.
  let forward: UnsafeMutablePointer<Row>
  let backward: UnsafeMutablePointer<Row>
  let together: UnsafeMutablePointer<Row>
  let work: UnsafeMutablePointer<Row>
  let windowWeights: UnsafeMutablePointer<Row>
  let meanLoad: UnsafeMutablePointer<Float>
  let partners: UnsafeMutablePointer<Int32>
  let expertOf: UnsafeMutablePointer<Int32>
  let copiesOf: UnsafeMutablePointer<Int32>
  let allowed: UnsafeMutablePointer<Bool>

  // A chain's own.
  /// `[layer][item]`
  let groupOf: UnsafeMutablePointer<Int32>
  /// `[layer][slot]`, slots of group 0 first.
  let itemAt: UnsafeMutablePointer<Int32>
  let slotOf: UnsafeMutablePointer<Int32>
  let nodeOfGroup: UnsafeMutablePointer<Int32>
  /// Seconds saved, `[layer][group][item]` and `[layer][node][item]`.
  let nearGroup: UnsafeMutablePointer<Row>
  let nearNode: UnsafeMutablePointer<Row>
  /// `[layer][group][window]`
  let loads: UnsafeMutablePointer<Row>
  /// The three most loaded groups of each layer and window: `[layer][window vector][3]`.
  let topLoad: UnsafeMutablePointer<Row>
  let topGroup: UnsafeMutablePointer<SIMD8<Int32>>
  /// Seconds of the slowest group, `[layer]`.
  let layerLoad: UnsafeMutablePointer<Float>
  /// What a pair of items taken together saves, `[layer]`.
  let groupPair: UnsafeMutablePointer<Float>
  let nodePair: UnsafeMutablePointer<Float>
  /// Copies of an expert on a group, `[layer][expert][group]`, and on a node; one number without
  /// replicas.
  let onGroup: UnsafeMutablePointer<Int8>
  let onNode: UnsafeMutablePointer<Int8>
  /// Seconds of communication; of home traffic as last measured, changed by the pairs since.
  let communication: UnsafeMutablePointer<Double>

  init(_ tables: SearchTables) {
    let problem = tables.problem
    (layers, items) = (tables.layers, tables.items)
    (groups, nodes, slots) = (tables.groups, tables.nodes, tables.slots)
    experts = problem.experts
    (rowVectors, windowVectors) = (tables.rowVectors, tables.windowVectors)
    (hasTransitions, hasHome) = (tables.hasTransitions, tables.hasHome)
    hasReplicas = tables.hasReplicas
    spreads = hasReplicas && problem.spreadsCopiesOverNodes && nodes > 1
    hasPlaces = tables.hasPlaces
    (groupSaving, nodeSaving) = (tables.groupSaving, tables.nodeSaving)
    (forward, backward, together) = (tables.forward, tables.backward, tables.together)
    (work, windowWeights, meanLoad) = (tables.work, tables.windowWeights, tables.meanLoad)
    (partners, allowed) = (tables.partners, tables.allowed)
    (expertOf, copiesOf) = (tables.expertOf, tables.copiesOf)
    groupOf = zeros(layers * items, 0)
    itemAt = zeros(layers * items, 0)
    slotOf = zeros(layers * items, 0)
    nodeOfGroup = zeros(groups, 0)
    for group in 0..<groups { nodeOfGroup[group] = Int32(problem.node(ofGroup: group)) }
    nearGroup = zeros(layers * groups * rowVectors, Row(repeating: 0))
    nearNode = zeros(layers * nodes * rowVectors, Row(repeating: 0))
    loads = zeros(layers * groups * windowVectors, Row(repeating: 0))
    topLoad = zeros(layers * windowVectors * 3, Row(repeating: 0))
    topGroup = zeros(layers * windowVectors * 3, SIMD8(repeating: 0))
    layerLoad = zeros(layers, 0)
    groupPair = zeros(layers, 0)
    nodePair = zeros(layers, 0)
    onGroup = zeros(hasReplicas ? layers * experts * groups : 1, 0)
    onNode = zeros(spreads ? layers * experts * nodes : 1, 0)
    communication = zeros(1, 0)
  }

  /// Frees what is a chain's own.
  func deallocate() {
    groupOf.deallocate()
    itemAt.deallocate()
    slotOf.deallocate()
    nodeOfGroup.deallocate()
    nearGroup.deallocate()
    nearNode.deallocate()
    loads.deallocate()
    topLoad.deallocate()
    topGroup.deallocate()
    layerLoad.deallocate()
    groupPair.deallocate()
    nodePair.deallocate()
    onGroup.deallocate()
    onNode.deallocate()
    communication.deallocate()
  }
}

/// Memory of at least one element, all of them `value`.
func zeros<Element>(_ count: Int, _ value: Element) -> UnsafeMutablePointer<Element> {
  let memory = UnsafeMutablePointer<Element>.allocate(capacity: max(1, count))
  memory.initialize(repeating: value, count: max(1, count))
  return memory
}

/// The same memory as single numbers.
@inline(__always)
func numbers(_ rows: UnsafeMutablePointer<SIMD8<Float>>) -> UnsafePointer<Float> {
  UnsafeRawPointer(rows).assumingMemoryBound(to: Float.self)
}
