import Foundation
import Statistics

/// Temperatures that fall from one to another by equal factors.
struct Cooling {
  /// Seconds.
  var start: Double
  var end: Double
  /// Trials of the whole descent.
  var trials: Int

  func temperature(after done: Int) -> Double {
    guard start > 0, trials > 0 else { return 0 }
    return start * pow(end / start, min(1, Double(done) / Double(trials)))
  }
}

/// What a chain of annealing carries from round to round.
struct Annealing {
  var random: RandomStream
  var cooling: Cooling
  var done = 0
  /// The layers whose items may move.
  let layers: [Int]
}

/// -ln of the midpoints of 1024 equal parts of 0 ..< 1: what the metropolis rule draws from.
let exponentials: [Float] = (0..<1024).map { Float(-log((Double($0) + 0.5) / 1024)) }

extension SearchState {
  /// The mean size of change of cost by random swaps; 0 where nothing changes it.
  func meanChange(_ random: inout RandomStream, layers: [Int], samples: Int = 2000) -> Double {
    var (sum, count) = (0.0, 0)
    for _ in 0..<samples {
      let layer = layers[random.below(layers.count)]
      let (this, other) = (random.below(tables.items), random.below(tables.items))
      guard
        swaps.groupOf[layer * tables.items + this] != swaps.groupOf[layer * tables.items + other],
        swaps.maySwap(layer, this, other)
      else { continue }
      sum += abs(swaps.change(layer, this, other))
      count += 1
    }
    return count > 0 ? sum / Double(count) : 0
  }

  /// Proposes swaps and takes those that the temperature lets pass (Metropolis).
  ///
  /// Of 256 proposals 205 move an item to the group of one of its eight strongest partners, 13 move
  /// one off the most loaded group, the others are any two items of a layer.
  func anneal(_ annealing: inout Annealing, trials: Int) {
    var random = annealing.random
    let swaps = swaps
    let (items, slots) = (swaps.items, swaps.slots)
    let windows = UInt64(tables.problem.windows)
    let layers = annealing.layers
    let range = UInt64(layers.count * items)
    var temperature: Float = 0
    exponentials.withUnsafeBufferPointer { exponentials in
      layers.withUnsafeBufferPointer { layers in
        for trial in 0..<trials {
          if trial & 1023 == 0 {
            temperature = Float(annealing.cooling.temperature(after: annealing.done + trial))
          }
          let (bits, more) = (random.next(), random.next())
          let drawn = Int(truncatingIfNeeded: ((bits >> 32) &* range) >> 32)
          let layer = layers[drawn / items]
          let first = layer &* items
          var this = drawn % items
          var other: Int
          let kind = bits & 255
          let slot = Int(truncatingIfNeeded: ((bits >> 8 & 0xFFFF) &* UInt64(slots)) >> 16)
          if kind < 205 {
            let partner = Int(
              swaps.partners[(first &+ this) &* 8 &+ Int(truncatingIfNeeded: bits >> 24 & 7)])
            if partner < 0 { continue }
            let group = Int(swaps.groupOf[partner])
            other = Int(swaps.itemAt[first &+ group &* slots &+ slot])
          } else {
            if kind < 218 {
              let window = Int(truncatingIfNeeded: ((more >> 48) &* windows) >> 16)
              let group = swaps.hottestGroup(layer, window: window)
              this = Int(swaps.itemAt[first &+ group &* slots &+ slot])
            }
            other = Int(truncatingIfNeeded: ((more & 0xFFFF_FFFF) &* UInt64(items)) >> 32)
          }
          if swaps.groupOf[first &+ this] == swaps.groupOf[first &+ other] { continue }
          let limit = temperature * exponentials[Int(truncatingIfNeeded: more >> 32 & 1023)]
          let moved = swaps.communicationChange(layer, this, other)
          // No swap can make the slowest group faster than the mean.
          if moved - (swaps.layerLoad[layer] - swaps.meanLoad[layer]) > limit { continue }
          let change = moved + (swaps.loadAfter(layer, this, other) - swaps.layerLoad[layer])
          if change > limit || !swaps.maySwap(layer, this, other) { continue }
          swaps.swap(layer, this, other)
        }
      }
    }
    annealing.random = random
    annealing.done += trials
  }

  /// Takes swaps that make the cost less until there is none in any of `layers`; each layer's pairs in
  /// order, again while it or a neighbour changes. O(items^2) look-ups for each layer and pass.
  func descend(layers: [Int], passes: Int = 100) {
    var isOpen = [Bool](repeating: false, count: tables.layers)
    for layer in layers { isOpen[layer] = true }
    let mayMove = isOpen
    let (swaps, items) = (swaps, tables.items)
    // Rounding must not be taken for a gain.
    let least = Float(1e-7 * max(cost, .leastNormalMagnitude) / Double(tables.layers))
    for _ in 0..<passes {
      var isDone = true
      for layer in layers where isOpen[layer] {
        isOpen[layer] = false
        var hasChanged = false
        for this in 0..<items {
          for other in this &+ 1..<max(items, this &+ 1)
          where swaps.groupOf[layer &* items &+ this] != swaps.groupOf[layer &* items &+ other] {
            let moved = swaps.communicationChange(layer, this, other)
            if moved - (swaps.layerLoad[layer] - swaps.meanLoad[layer]) > -least { continue }
            let change = moved + (swaps.loadAfter(layer, this, other) - swaps.layerLoad[layer])
            if change > -least || !swaps.maySwap(layer, this, other) { continue }
            swaps.swap(layer, this, other)
            hasChanged = true
          }
        }
        guard hasChanged else { continue }
        isDone = false
        for near in max(0, layer - 1)...min(tables.layers - 1, layer + 1) {
          isOpen[near] = mayMove[near]
        }
      }
      if isDone { break }
    }
  }
}
