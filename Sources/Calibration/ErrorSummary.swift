import Hardware
import Statistics
import Units

/// How far a prediction is from one measurement.
public struct RowError: Sendable {
  let row: CollectiveMeasurement
  public let predicted: Seconds
  /// Predicted over measured time, less one.
  public let error: Double

  public var measured: Seconds { row.time }
  public var load: CollectiveLoad { row.load }
  /// `file:line`
  public var place: String { row.place }
}

/// Sizes of relative errors, without their signs; zeros for none.
public struct ErrorSummary: Codable, Hashable, Sendable {
  public var count: Int
  public var median: Double
  public var ninetieth: Double
  public var worst: Double

  public init(_ errors: [RowError]) { self.init(errors.map(\.error)) }

  public init(_ errors: [KernelRowError]) { self.init(errors.map(\.error)) }

  private init(_ errors: [Double]) {
    let sizes = errors.map { abs($0) }
    count = sizes.count
    median = quantile(0.5, of: sizes) ?? 0
    ninetieth = quantile(0.9, of: sizes) ?? 0
    worst = sizes.max() ?? 0
  }

  /// One summary for each class of rows, ascending.
  static func by<Key: Hashable & Comparable>(
    _ key: (RowError) -> Key, _ errors: [RowError]
  ) -> [(key: Key, summary: ErrorSummary)] {
    Dictionary(grouping: errors, by: key).sorted { $0.key < $1.key }.map {
      ($0.key, ErrorSummary($0.value))
    }
  }
}
