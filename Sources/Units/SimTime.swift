/// A point in simulated time, or a span of it: a whole number of picoseconds.
///
///     let launch = SimTime(microseconds: 3)
///     let end = start + launch
///
/// 64 bits of picoseconds reach 106 days. Sums that overflow trap, as all integer arithmetic does;
/// a span computed from a ratio that does not fit becomes ``SimTime/never``.
public struct SimTime: Hashable, Sendable, BitwiseCopyable {
  public var picoseconds: Int64

  public init(picoseconds: Int64) { self.picoseconds = picoseconds }
  public init(nanoseconds: Int64) { picoseconds = nanoseconds * 1_000 }
  public init(microseconds: Int64) { picoseconds = microseconds * 1_000_000 }

  /// The shortest whole number of picoseconds that is not less than `seconds`.
  ///
  /// This is the one place where a real-valued span becomes simulated time. A relative slack of
  /// 2e-15 (a few units in the last place) keeps a product such as `0.1 * 3e12` from being pushed
  /// up by its rounding error.
  /// Negative spans become zero; infinite, undefined or unrepresentable ones become ``never``.
  public init(roundingUp seconds: Double) {
    let exact = seconds * 1e12
    guard exact < 9.2e18 else {
      self = .never
      return
    }
    picoseconds = Int64((exact - exact * 2e-15).rounded(.up).clamped(from: 0))
  }

  public static let zero = SimTime(picoseconds: 0)
  /// Later than every event of a run.
  public static let never = SimTime(picoseconds: .max)

  /// The span in seconds, rounded to the nearest Double.
  public var seconds: Double { Double(picoseconds) * 1e-12 }

  public static func + (a: SimTime, b: SimTime) -> SimTime {
    SimTime(picoseconds: a.picoseconds + b.picoseconds)
  }
  public static func - (a: SimTime, b: SimTime) -> SimTime {
    SimTime(picoseconds: a.picoseconds - b.picoseconds)
  }
  public static func += (a: inout SimTime, b: SimTime) { a = a + b }
  public static func * (a: SimTime, count: Int) -> SimTime {
    SimTime(picoseconds: a.picoseconds * Int64(count))
  }
}

extension SimTime: Comparable {
  public static func < (a: SimTime, b: SimTime) -> Bool { a.picoseconds < b.picoseconds }
}

extension SimTime: CustomStringConvertible {
  /// The span with the unit that keeps it readable: `"12.5 us"`.
  public var description: String {
    self == .never ? "never" : Quantity<Second>(seconds).description
  }
}

extension Double {
  fileprivate func clamped(from low: Double) -> Double { self < low ? low : self }
}
