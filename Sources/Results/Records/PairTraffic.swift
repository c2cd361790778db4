/// The bytes that every device sent every other in dispatch and combine while iterations were
/// measured.
///
/// They are counted from where a token was to where its experts are, and back, whatever way and by
/// whatever algorithm they went.
public struct PairTraffic: Hashable, Sendable {
  public let deviceCount: Int
  /// `[source][target]`; what stays on a device is 0.
  public let bytes: [Int]

  /// Nil where `bytes` is not one number for each pair.
  public init?(deviceCount: Int, bytes: [Int]) {
    guard deviceCount > 0, bytes.count == deviceCount * deviceCount else { return nil }
    self.deviceCount = deviceCount
    self.bytes = bytes
  }

  public subscript(source: Int, target: Int) -> Int { bytes[source * deviceCount + target] }
}
