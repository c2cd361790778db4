import Units

extension MessageSchedule {
  /// Appends phases of transfers in `chunks` equal parts, pipelined and in order: a rank begins a
  /// phase of a part when its phases before of that part are done, and the same phase of the part
  /// before. What other schedules appended earlier is not waited for.
  ///
  /// A rank's state is one or two steps or, where it is more, a join of them; so m transfers at n
  /// ranks make no more than m + 2n steps in a phase. O(chunks x transfers).
  mutating func append(_ plan: PhasedTransfers, chunks: Int = 1) {
    var writer = PhaseWriter(plan, chunks: chunks)
    for chunk in 0..<chunks {
      writer.beginChunk()
      var start = 0
      for end in plan.phaseEnds {
        let isLast = chunk == chunks - 1 && end == plan.transfers.count
        writer.write(start..<end, isFirstChunk: chunk == 0, isLast: isLast, to: &self)
        start = end
      }
    }
  }
}

/// The steps that all of a rank's earlier ones come before: none, one or two.
private struct Front {
  var first: MessageSchedule.StepID?
  var second: MessageSchedule.StepID?

  var count: Int { (first == nil ? 0 : 1) + (second == nil ? 0 : 1) }

  mutating func insert(_ step: MessageSchedule.StepID) {
    if first == nil { first = step } else { second = step }
  }
}

/// Writes phases and keeps what each rank has done.
private struct PhaseWriter {
  private let plan: PhasedTransfers
  private let share: Double
  private let isChunked: Bool
  /// By rank or switches: what it has done of the part that is being written.
  private var fronts: [Front]
  /// By transfer: what its source had done after the phase, of the part before.
  private var fromPartBefore: [Front]
  /// By rank or switches, of the phase that is being written.
  private var sends: [Int32]
  private var touches: [Int32]
  private var joins: [MessageSchedule.StepID?]
  private var isOpen: [Bool]

  init(_ plan: PhasedTransfers, chunks: Int) {
    self.plan = plan
    share = 1 / Double(chunks)
    isChunked = chunks > 1
    fronts = [Front](repeating: Front(), count: plan.endCount)
    fromPartBefore = [Front](
      repeating: Front(), count: chunks > 1 ? plan.transfers.count : 0)
    sends = [Int32](repeating: 0, count: plan.endCount)
    touches = sends
    joins = [MessageSchedule.StepID?](repeating: nil, count: plan.endCount)
    isOpen = [Bool](repeating: false, count: plan.endCount)
  }

  mutating func beginChunk() {
    for index in fronts.indices { fronts[index] = Front() }
  }

  /// - Parameter isLast: Whether nothing comes after, so that nobody needs to know when it is done.
  mutating func write(
    _ phase: Range<Int>, isFirstChunk: Bool, isLast: Bool, to schedule: inout MessageSchedule
  ) {
    count(phase)
    makeBeginnings(phase, isFirstChunk: isFirstChunk, &schedule)
    let firstStep = Int32(truncatingIfNeeded: schedule.steps.count)
    for index in phase { appendTransfer(index, isFirstChunk: isFirstChunk, &schedule) }
    for index in phase { joins[Int(plan.transfers[index].source)] = nil }
    if !isLast {
      for index in phase {
        let step = MessageSchedule.StepID(
          index: firstStep + Int32(truncatingIfNeeded: index - phase.lowerBound))
        let transfer = plan.transfers[index]
        finish(step, at: Int(transfer.source), &schedule)
        if transfer.target != transfer.source { finish(step, at: Int(transfer.target), &schedule) }
      }
    }
    close(phase)
  }

  private mutating func count(_ phase: Range<Int>) {
    for transfer in plan.transfers[phase] {
      sends[Int(transfer.source)] += 1
      touches[Int(transfer.source)] += 1
      if transfer.target != transfer.source { touches[Int(transfer.target)] += 1 }
    }
  }

  /// Where a rank sends several messages that wait for several steps, they wait for a join of them.
  private mutating func makeBeginnings(
    _ phase: Range<Int>, isFirstChunk: Bool, _ schedule: inout MessageSchedule
  ) {
    for index in phase {
      let source = Int(plan.transfers[index].source)
      guard sends[source] > 1, joins[source] == nil else { continue }
      let before = isFirstChunk ? Front() : fromPartBefore[index]
      guard fronts[source].count + before.count > 1 else { continue }
      let join = schedule.join()
      schedule.add(join, after: fronts[source])
      schedule.add(join, after: before)
      joins[source] = join
    }
  }

  private func appendTransfer(
    _ index: Int, isFirstChunk: Bool, _ schedule: inout MessageSchedule
  ) {
    let transfer = plan.transfers[index]
    let source = Int(transfer.source)
    let target = Int(transfer.target)
    let bytes = Bytes(transfer.bytes * share)
    let step =
      if source >= plan.rankCount {
        schedule.receiveFromSwitch(bytes, at: target)
      } else if target >= plan.rankCount {
        schedule.sendToSwitch(bytes, from: source)
      } else if source == target {
        schedule.copy(bytes, on: source)
      } else {
        schedule.send(bytes, from: source, to: target)
      }
    if let join = joins[source] {
      schedule.add(step, after: join)
    } else {
      schedule.add(step, after: fronts[source])
      if !isFirstChunk { schedule.add(step, after: fromPartBefore[index]) }
    }
  }

  /// Notes that a rank is done with the phase when `step` is, among others. A rank that sends in the
  /// phase has done so after all that it did before; one that only gets something may not have.
  private mutating func finish(
    _ step: MessageSchedule.StepID, at end: Int, _ schedule: inout MessageSchedule
  ) {
    if !isOpen[end] {
      isOpen[end] = true
      let kept = sends[end] > 0 ? Front() : fronts[end]
      fronts[end] = kept
      if Int(touches[end]) + kept.count > 2 {
        let join = schedule.join()
        schedule.add(join, after: kept)
        joins[end] = join
        fronts[end] = Front(first: join)
      }
    }
    if let join = joins[end] {
      schedule.add(join, after: step)
    } else {
      fronts[end].insert(step)
    }
  }

  private mutating func close(_ phase: Range<Int>) {
    for index in phase {
      let transfer = plan.transfers[index]
      if isChunked { fromPartBefore[index] = fronts[Int(transfer.source)] }
      for end in [Int(transfer.source), Int(transfer.target)] {
        sends[end] = 0
        touches[end] = 0
        joins[end] = nil
        isOpen[end] = false
      }
    }
  }
}

extension MessageSchedule {
  fileprivate mutating func add(_ step: StepID, after front: Front) {
    if let first = front.first { add(step, after: first) }
    if let second = front.second { add(step, after: second) }
  }
}
