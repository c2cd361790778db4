import Units

/// How large a schedule is, or can become at most.
public struct ScheduleSize: Hashable, Sendable {
  public var steps: Int
  public var waits: Int

  public init(steps: Int, waits: Int) {
    self.steps = steps
    self.waits = waits
  }

  /// The memory that the schedule's arrays take.
  public var memory: Bytes {
    Bytes(
      Double(steps) * Double(MessageSchedule.bytesPerStep)
        + Double(waits) * Double(MessageSchedule.bytesPerWait))
  }
}

extension MessageSchedule {
  public var size: ScheduleSize { ScheduleSize(steps: steps.count, waits: waits.count) }
}

/// A number that stays at `Int.max` where it would grow beyond: of steps that nobody can store, the
/// exact number does not matter.
struct SaturatingCount: ExpressibleByIntegerLiteral, Comparable {
  var value: Int

  init(_ value: Int) { self.value = value }
  init(integerLiteral value: Int) { self.value = value }

  static func < (a: Self, b: Self) -> Bool { a.value < b.value }
  static func + (a: Self, b: Self) -> Self {
    let (sum, overflows) = a.value.addingReportingOverflow(b.value)
    return Self(overflows ? .max : sum)
  }
  static func * (a: Self, b: Self) -> Self {
    let (product, overflows) = a.value.multipliedReportingOverflow(by: b.value)
    return Self(overflows ? .max : product)
  }
  static func += (a: inout Self, b: Self) { a = a + b }
}
