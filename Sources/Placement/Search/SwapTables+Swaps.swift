extension SwapTables {
  /// Whether two items of a layer, on different groups, may change places.
  @inline(__always)
  func maySwap(_ layer: Int, _ this: Int, _ other: Int) -> Bool {
    if !hasReplicas && !hasPlaces { return true }
    let (a, b) = (layer * items + this, layer * items + other)
    return may(a, moveTo: Int(groupOf[b]), from: Int(groupOf[a]))
      && may(b, moveTo: Int(groupOf[a]), from: Int(groupOf[b]))
      && (expertOf[a] != expertOf[b])
  }

  private func may(_ place: Int, moveTo group: Int, from: Int) -> Bool {
    if hasPlaces, !allowed[place * groups + group] { return false }
    guard hasReplicas, expertOf[place] >= 0, copiesOf[place] > 1 else {
      return true
    }
    let expert = place / items * experts + Int(expertOf[place])
    if onGroup[expert * groups + group] > 0 { return false }
    if !spreads || nodeOfGroup[group] == nodeOfGroup[from] { return true }
    return Int(onNode[expert * nodes + Int(nodeOfGroup[group])])
      < (Int(copiesOf[place]) + nodes - 1) / nodes
  }

  /// Seconds of communication that a swap adds.
  @inline(__always)
  func communicationChange(_ layer: Int, _ this: Int, _ other: Int) -> Float {
    let (items, row) = (items, rowVectors &* 8)
    let from = Int(groupOf[layer &* items &+ this])
    let to = Int(groupOf[layer &* items &+ other])
    let near =
      numbers(nearGroup) + layer &* groups &* row
    let (here, there) = (near + from &* row, near + to &* row)
    var change = (here[this] - there[this]) + (there[other] - here[other])
    var pair: Float = 0
    if hasHome {
      pair =
        UnsafeRawPointer(together).assumingMemoryBound(to: Float.self)[
          (layer &* items &+ this) &* row &+ other]
      change += 2 * pair * groupPair[layer]
    }
    guard nodes > 1, nodeOfGroup[from] != nodeOfGroup[to] else { return change }
    let nodeRows =
      numbers(nearNode) + layer &* nodes &* row
    let (home, away) = (
      nodeRows + Int(nodeOfGroup[from]) &* row, nodeRows + Int(nodeOfGroup[to]) &* row
    )
    change += (home[this] - away[this]) + (away[other] - home[other])
    if hasHome { change += 2 * pair * nodePair[layer] }
    return change
  }

  /// The transitions' part of ``communicationChange(_:_:_:)``, from the flows themselves. O(items).
  func transitionChange(_ layer: Int, _ this: Int, _ other: Int) -> Float {
    guard hasTransitions else { return 0 }
    let row = rowVectors &* 8
    let (from, to) = (groupOf[layer &* items &+ this], groupOf[layer &* items &+ other])
    var saved: Float = 0
    func look(_ rows: UnsafeMutablePointer<Row>, _ first: Int, _ neighbour: Int) {
      let flows = numbers(rows) + first &* items &* row
      for item in 0..<items {
        let group = groupOf[neighbour &* items &+ item]
        let tokens = flows[this &* row &+ item] - flows[other &* row &+ item]
        saved += tokens * (saving(to, group) - saving(from, group))
      }
    }
    if layer + 1 < layers { look(forward, layer, layer + 1) }
    if layer > 0 { look(backward, layer - 1, layer - 1) }
    return -saved
  }

  private func saving(_ a: Int32, _ b: Int32) -> Float {
    if a == b { return nodes > 1 ? groupSaving + nodeSaving : groupSaving }
    return nodes > 1 && nodeOfGroup[Int(a)] == nodeOfGroup[Int(b)] ? nodeSaving : 0
  }

  /// Seconds that the slowest group takes after a swap, the mean over windows.
  @inline(__always)
  func loadAfter(_ layer: Int, _ this: Int, _ other: Int) -> Float {
    let (items, vectors) = (items, windowVectors)
    let (a, b) = (layer &* items &+ this, layer &* items &+ other)
    let (from, to) = (SIMD8(repeating: groupOf[a]), SIMD8(repeating: groupOf[b]))
    let base = loads + layer &* groups &* vectors
    let (fromLoads, toLoads) = (
      base + Int(groupOf[a]) &* vectors, base + Int(groupOf[b]) &* vectors
    )
    var total = Row(repeating: 0)
    var vector = 0
    while vector < vectors {
      let change = work[b &* vectors &+ vector] - work[a &* vectors &+ vector]
      let top = (layer &* vectors &+ vector) &* 3
      let firstFree = differs(topGroup[top], from) & differs(topGroup[top], to)
      let secondFree = differs(topGroup[top &+ 1], from) & differs(topGroup[top &+ 1], to)
      let later = chosen(topLoad[top &+ 1], else: topLoad[top &+ 2], by: secondFree)
      let others = chosen(topLoad[top], else: later, by: firstFree)
      let changed = larger(fromLoads[vector] + change, toLoads[vector] - change)
      total += larger(changed, others) * windowWeights[vector]
      vector &+= 1
    }
    return sum(total)
  }

  /// What a swap adds to ``cost``.
  func change(_ layer: Int, _ this: Int, _ other: Int) -> Double {
    Double(communicationChange(layer, this, other))
      + Double(loadAfter(layer, this, other) - layerLoad[layer])
  }

  /// Carries a swap out.
  func swap(_ layer: Int, _ this: Int, _ other: Int) {
    let (items, vectors) = (items, rowVectors)
    let (a, b) = (layer * items + this, layer * items + other)
    communication[0] += Double(communicationChange(layer, this, other))
    let (from, to) = (Int(groupOf[a]), Int(groupOf[b]))
    if hasTransitions {
      if layer + 1 < layers {
        shift(
          forward + a * vectors, forward + b * vectors, layer + 1, from, to,
          groupSaving, nodeSaving)
      }
      if layer > 0 {
        shift(
          backward + (a - items) * vectors, backward + (b - items) * vectors,
          layer - 1, from, to, groupSaving, nodeSaving)
      }
    }
    if hasHome {
      shift(
        together + a * vectors, together + b * vectors, layer, from, to,
        groupPair[layer], nodePair[layer])
    }
    let base = loads + layer * groups * windowVectors
    for vector in 0..<windowVectors {
      let change =
        work[b * windowVectors + vector]
        - work[a * windowVectors + vector]
      base[from * windowVectors + vector] += change
      base[to * windowVectors + vector] -= change
    }
    if isRankChanged(layer, from, to) { rank(layer) }
    if hasReplicas {
      count(a, at: from, -1)
      count(b, at: to, -1)
      count(a, at: to, 1)
      count(b, at: from, 1)
    }
    (groupOf[a], groupOf[b]) = (groupOf[b], groupOf[a])
    (slotOf[a], slotOf[b]) = (slotOf[b], slotOf[a])
    itemAt[layer * items + Int(slotOf[a])] = Int32(this)
    itemAt[layer * items + Int(slotOf[b])] = Int32(other)
  }

  /// Whether one of two groups whose loads changed was, or now is, among a window's most loaded three.
  private func isRankChanged(_ layer: Int, _ from: Int, _ to: Int) -> Bool {
    let base = loads + layer * groups * windowVectors
    let (first, second) = (
      SIMD8(repeating: Int32(truncatingIfNeeded: from)),
      SIMD8(repeating: Int32(truncatingIfNeeded: to))
    )
    var isSame = SIMD8<Int32>(repeating: -1)
    for vector in 0..<windowVectors {
      let top = (layer * windowVectors + vector) * 3
      for rank in top..<top + 3 {
        isSame = isSame & differs(topGroup[rank], first) & differs(topGroup[rank], second)
      }
      let third = topLoad[top + 2]
      isSame = isSame & ~exceeds(base[from * windowVectors + vector], third)
      isSame = isSame & ~exceeds(base[to * windowVectors + vector], third)
    }
    return (isSame.lowHalf & isSame.highHalf) != SIMD4(repeating: -1)
  }

  /// A layer's neighbours after the first item left `from` for `to` and the second the other way.
  private func shift(
    _ first: UnsafeMutablePointer<Row>, _ second: UnsafeMutablePointer<Row>, _ layer: Int,
    _ from: Int, _ to: Int, _ groupScale: Float, _ nodeScale: Float
  ) {
    let vectors = rowVectors
    let here = nearGroup + (layer * groups + from) * vectors
    let there = nearGroup + (layer * groups + to) * vectors
    if groupScale != 0 {
      var vector = 0
      while vector < vectors {
        let moved = (first[vector] - second[vector]) * groupScale
        here[vector] -= moved
        there[vector] += moved
        vector &+= 1
      }
    }
    guard nodes > 1, nodeOfGroup[from] != nodeOfGroup[to] else { return }
    let home = nearNode + (layer * nodes + Int(nodeOfGroup[from])) * vectors
    let away = nearNode + (layer * nodes + Int(nodeOfGroup[to])) * vectors
    var vector = 0
    while vector < vectors {
      let moved = (first[vector] - second[vector]) * nodeScale
      home[vector] -= moved
      away[vector] += moved
      vector &+= 1
    }
  }

  /// The most loaded group of a layer in a window.
  @inline(__always)
  func hottestGroup(_ layer: Int, window: Int) -> Int {
    max(0, Int(topGroup[(layer &* windowVectors &+ (window >> 3)) &* 3][window & 7]))
  }

  /// Finds the three most loaded groups of a layer's windows.
  func rank(_ layer: Int) {
    let (groups, vectors) = (groups, windowVectors)
    var total = Row(repeating: 0)
    for vector in 0..<vectors {
      var first = Row(repeating: 0)
      var second = first
      var third = first
      var firstGroup = SIMD8<Int32>(repeating: -1)
      var secondGroup = firstGroup
      var thirdGroup = firstGroup
      for group in 0..<groups {
        let load = larger(loads[(layer * groups + group) * vectors + vector], Row(repeating: 0))
        let name = SIMD8<Int32>(repeating: Int32(truncatingIfNeeded: group))
        let beatsThird = exceeds(load, third)
        third = chosen(load, else: third, by: beatsThird)
        thirdGroup = chosen(name, else: thirdGroup, by: beatsThird)
        let beatsSecond = exceeds(third, second)
        (second, third) = (
          chosen(third, else: second, by: beatsSecond),
          chosen(second, else: third, by: beatsSecond)
        )
        (secondGroup, thirdGroup) = (
          chosen(thirdGroup, else: secondGroup, by: beatsSecond),
          chosen(secondGroup, else: thirdGroup, by: beatsSecond)
        )
        let beatsFirst = exceeds(second, first)
        (first, second) = (
          chosen(second, else: first, by: beatsFirst),
          chosen(first, else: second, by: beatsFirst)
        )
        (firstGroup, secondGroup) = (
          chosen(secondGroup, else: firstGroup, by: beatsFirst),
          chosen(firstGroup, else: secondGroup, by: beatsFirst)
        )
      }
      let place = (layer * vectors + vector) * 3
      topLoad[place] = first
      topLoad[place + 1] = second
      topLoad[place + 2] = third
      topGroup[place] = firstGroup
      topGroup[place + 1] = secondGroup
      topGroup[place + 2] = thirdGroup
      total += first * windowWeights[vector]
    }
    layerLoad[layer] = sum(total)
  }

  func count(_ place: Int, at group: Int, _ change: Int8) {
    guard hasReplicas, expertOf[place] >= 0 else { return }
    let expert = place / items * experts + Int(expertOf[place])
    onGroup[expert * groups + group] += change
    if spreads { onNode[expert * nodes + Int(nodeOfGroup[group])] += change }
  }
}

// Lane-wise choices in whole-number arithmetic, which the compiler turns into a few vector
// instructions; it takes SIMD masks apart lane by lane. A choice is all ones or all zeros.

/// Where two groups are not the same.
@inline(__always)
private func differs(_ a: SIMD8<Int32>, _ b: SIMD8<Int32>) -> SIMD8<Int32> {
  let x = a ^ b
  return (x | (SIMD8<Int32>(repeating: 0) &- x)) &>> SIMD8<Int32>(repeating: 31)
}

@inline(__always)
private func chosen(
  _ a: SIMD8<Int32>, else b: SIMD8<Int32>, by choice: SIMD8<Int32>
) -> SIMD8<Int32> { b ^ ((a ^ b) & choice) }

@inline(__always)
private func chosen(
  _ a: SIMD8<Float>, else b: SIMD8<Float>, by choice: SIMD8<Int32>
) -> SIMD8<Float> {
  let (a, b) = (
    unsafeBitCast(a, to: SIMD8<Int32>.self), unsafeBitCast(b, to: SIMD8<Int32>.self)
  )
  return unsafeBitCast(chosen(a, else: b, by: choice), to: SIMD8<Float>.self)
}

/// Bits that are ordered as the numbers are; loads below zero are rounding and taken for their size.
@inline(__always)
private func ordered(_ a: SIMD8<Float>) -> SIMD8<Int32> {
  unsafeBitCast(a, to: SIMD8<Int32>.self) & SIMD8<Int32>(repeating: .max)
}

/// Where the first of two loads is more.
@inline(__always)
private func exceeds(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Int32> {
  (ordered(b) &- ordered(a)) &>> SIMD8<Int32>(repeating: 31)
}

@inline(__always)
private func larger(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> {
  let (x, y) = (ordered(a), ordered(b))
  let difference = x &- y
  return unsafeBitCast(
    x &- (difference & (difference &>> SIMD8<Int32>(repeating: 31))), to: SIMD8<Float>.self)
}

@inline(__always)
private func sum(_ row: SIMD8<Float>) -> Float {
  let four = row.lowHalf + row.highHalf
  let two = four.lowHalf + four.highHalf
  return two.x + two.y
}
