/// What a ``Quantity`` counts: its symbol, and how a person writes it.
public protocol UnitOfMeasure: Sendable {
  /// The word an error uses: "a bandwidth".
  static var quantityName: String { get }
  /// The base unit's symbol as printed: `B/s`.
  static var symbol: String { get }
  /// An example for error messages: `3.35 TB/s`.
  static var example: String { get }
  /// Every accepted spelling of the unit without an SI prefix, with its size in base units.
  static var spellings: [(String, Double)] { get }
  /// Whether SI prefixes (k, M, G, ...) may stand before a spelling.
  static var takesPrefixes: Bool { get }
  /// Whether binary prefixes (Ki, Mi, Gi, ...) may stand before a spelling.
  static var takesBinaryPrefixes: Bool { get }
}

extension UnitOfMeasure {
  public static var takesPrefixes: Bool { true }
  public static var takesBinaryPrefixes: Bool { false }
}

public enum Byte: UnitOfMeasure {
  public static let quantityName = "an amount of memory"
  public static let symbol = "B"
  public static let example = "80 GB"
  public static let spellings = [("B", 1.0)]
  public static let takesBinaryPrefixes = true
}

public enum FLOP: UnitOfMeasure {
  public static let quantityName = "an amount of computation"
  public static let symbol = "FLOP"
  public static let example = "2.1 GFLOP"
  public static let spellings = [("FLOP", 1.0), ("OP", 1.0)]
}

public enum Second: UnitOfMeasure {
  public static let quantityName = "a time"
  public static let symbol = "s"
  public static let example = "2.5 us"
  public static let spellings = [("s", 1.0)]
}

public enum Joule: UnitOfMeasure {
  public static let quantityName = "an energy"
  public static let symbol = "J"
  public static let example = "12 J"
  public static let spellings = [("J", 1.0)]
}

public enum Token: UnitOfMeasure {
  public static let quantityName = "a number of tokens"
  public static let symbol = "tokens"
  public static let example = "2048 tokens"
  public static let spellings = [("tokens", 1.0), ("token", 1.0)]
  public static let takesPrefixes = false
}

public enum Message: UnitOfMeasure {
  public static let quantityName = "a number of messages"
  public static let symbol = "messages"
  public static let example = "1024 messages"
  public static let spellings = [("messages", 1.0), ("message", 1.0)]
  public static let takesPrefixes = false
}

/// The rate of something: `PerSecond<Byte>` is a bandwidth, `PerSecond<Joule>` is power.
public enum PerSecond<Base: RateBase>: UnitOfMeasure {
  public static var quantityName: String { Base.rateName }
  public static var symbol: String { Base.rateSpellings[0].0 }
  public static var example: String { Base.rateExample }
  public static var spellings: [(String, Double)] { Base.rateSpellings }
  public static var takesPrefixes: Bool { Base.takesPrefixes }
  public static var takesBinaryPrefixes: Bool { Base.takesBinaryPrefixes }
}

/// A unit whose rate per second has a name of its own. The first rate spelling is the printed one.
public protocol RateBase: UnitOfMeasure {
  static var rateName: String { get }
  static var rateExample: String { get }
  static var rateSpellings: [(String, Double)] { get }
}

extension Byte: RateBase {
  public static let rateName = "a bandwidth"
  public static let rateExample = "3.35 TB/s"
  /// Network hardware is sold in bits: `400 Gbit/s` is 50 GB/s.
  public static let rateSpellings = [("B/s", 1.0), ("bit/s", 0.125), ("b/s", 0.125)]
}

extension FLOP: RateBase {
  public static let rateName = "a compute rate"
  public static let rateExample = "989 TFLOP/s"
  public static let rateSpellings = [("FLOP/s", 1.0), ("FLOPS", 1.0), ("OP/s", 1.0), ("OPS", 1.0)]
}

extension Joule: RateBase {
  public static let rateName = "a power"
  public static let rateExample = "700 W"
  public static let rateSpellings = [("W", 1.0)]
}

extension Token: RateBase {
  public static let rateName = "a token rate"
  public static let rateExample = "1200 tokens/s"
  public static let rateSpellings = [("tokens/s", 1.0)]
}

extension Message: RateBase {
  public static let rateName = "a message rate"
  public static let rateExample = "215000000 messages/s"
  public static let rateSpellings = [("messages/s", 1.0)]
}

extension Second: RateBase {
  public static let rateName = "a number of busy units"
  public static let rateExample = "132 s/s"
  public static let rateSpellings = [("s/s", 1.0)]
}

/// Energy per amount: `JoulePer<Byte>` is what moving one byte costs.
public enum JoulePer<Base: UnitOfMeasure>: UnitOfMeasure {
  public static var quantityName: String { "an energy per \(Base.symbol)" }
  public static var symbol: String { "J/\(Base.symbol)" }
  public static var example: String { "28 pJ/\(Base.symbol)" }
  public static var spellings: [(String, Double)] {
    Base.symbol == "B"
      ? [("J/B", 1.0), ("J/bit", 8.0), ("J/b", 8.0)] : [("J/\(Base.symbol)", 1.0)]
  }
}
