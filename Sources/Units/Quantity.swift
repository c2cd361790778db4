/// An amount of something, with its unit in the type.
///
///     let weights: Bytes = 88.1e6
///     let bandwidth = try Bandwidth(parsing: "3.35 TB/s")
///     let span: Seconds = weights / bandwidth
///
/// Amounts are Doubles: a byte count stays exact up to 2^53 (9 PB).
public struct Quantity<Unit: UnitOfMeasure>: Hashable, Sendable {
  /// The amount in the base unit (bytes, FLOP, seconds, joules and their rates per second).
  public var value: Double

  public init(_ value: Double) { self.value = value }
  public init(_ value: Int) { self.value = Double(value) }

  public static var zero: Self { Self(0.0) }
}

public typealias Bytes = Quantity<Byte>
public typealias FLOPs = Quantity<FLOP>
public typealias Seconds = Quantity<Second>
public typealias Joules = Quantity<Joule>
/// Bytes per second, of a memory or of one direction of a link.
public typealias Bandwidth = Quantity<PerSecond<Byte>>
/// Floating-point (or integer, where the precision says so) operations per second.
public typealias ComputeRate = Quantity<PerSecond<FLOP>>
public typealias Power = Quantity<PerSecond<Joule>>
public typealias Tokens = Quantity<Token>
public typealias Messages = Quantity<Message>
public typealias TokenRate = Quantity<PerSecond<Token>>
/// Joules per byte moved, per FLOP done.
public typealias EnergyPerByte = Quantity<JoulePer<Byte>>
public typealias EnergyPerFLOP = Quantity<JoulePer<FLOP>>

extension Quantity: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  public init(floatLiteral value: Double) { self.value = value }
  public init(integerLiteral value: Int) { self.value = Double(value) }
}

extension Quantity: Comparable {
  public static func < (a: Self, b: Self) -> Bool { a.value < b.value }
}

extension Quantity: AdditiveArithmetic {
  public static func + (a: Self, b: Self) -> Self { Self(a.value + b.value) }
  public static func - (a: Self, b: Self) -> Self { Self(a.value - b.value) }
}

extension Quantity {
  public static func * (a: Self, factor: Double) -> Self { Self(a.value * factor) }
  public static func * (factor: Double, a: Self) -> Self { Self(a.value * factor) }
  public static func / (a: Self, divisor: Double) -> Self { Self(a.value / divisor) }
  /// The ratio of two amounts of the same thing.
  public static func / (a: Self, b: Self) -> Double { a.value / b.value }

  /// The amount that passes at a rate in a time.
  public static func * <Base>(rate: Self, time: Seconds) -> Quantity<Base>
  where Unit == PerSecond<Base> {
    Quantity<Base>(rate.value * time.value)
  }
  /// The energy of moving or computing an amount.
  public static func * (a: Self, energy: Quantity<JoulePer<Unit>>) -> Joules {
    Joules(a.value * energy.value)
  }
}

extension Quantity where Unit: RateBase {
  /// The time an amount takes at a rate.
  public static func / (a: Self, rate: Quantity<PerSecond<Unit>>) -> Seconds {
    Seconds(a.value / rate.value)
  }
  /// The rate at which an amount passes in a time.
  public static func / (a: Self, time: Seconds) -> Quantity<PerSecond<Unit>> {
    Quantity<PerSecond<Unit>>(a.value / time.value)
  }
}

extension Quantity where Unit == Second {
  public init(_ time: SimTime) { value = time.seconds }
}

extension SimTime {
  /// The shortest whole number of picoseconds that is not less than `span`.
  public init(roundingUp span: Seconds) { self.init(roundingUp: span.value) }
}

extension Quantity: CustomStringConvertible {
  /// The amount with the prefix that keeps three to four digits before the unit: `"3.35 TB/s"`.
  public var description: String { Unit.format(value) }
}
