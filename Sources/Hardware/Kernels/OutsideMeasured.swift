/// Sizes that were asked for and lie outside what a law's numbers were fitted to, gathered over any
/// number of questions, so that results say it once a family.
///
///     var outside = OutsideMeasured()
///     for work in questions { outside.add(calibration.outside(work)) }
///     outside.remarks      // ["outside what was measured of gemm: m 3 is below 16"]
public struct OutsideMeasured: Hashable, Sendable {
  /// In the order of the families and of their sizes.
  private var sizes: [Size] = []

  private struct Size: Hashable, Sendable {
    var family: KernelFamily
    /// In ``KernelFamily/sizeNames``.
    var position: Int
    var measured: ClosedRange<Int>
    var least: Int
    var most: Int

    var place: (Int, Int) {
      (KernelFamily.allCases.firstIndex(of: family) ?? 0, position)
    }

    var text: String {
      let name = family.sizeNames[position]
      let below =
        least < measured.lowerBound ? "\(name) \(least) is below \(measured.lowerBound)" : nil
      let above =
        most > measured.upperBound ? "\(name) \(most) is above \(measured.upperBound)" : nil
      return [below, above].compactMap { $0 }.joined(separator: ", ")
    }
  }

  public init() {}

  public var isEmpty: Bool { sizes.isEmpty }

  mutating func add(
    _ family: KernelFamily, _ position: Int, _ size: Int, measured: ClosedRange<Int>
  ) {
    guard !measured.contains(size) else { return }
    add(
      Size(family: family, position: position, measured: measured, least: size, most: size))
  }

  /// Of one size the farthest out on each side stays. O(sizes).
  public mutating func add(_ other: OutsideMeasured) {
    for size in other.sizes { add(size) }
  }

  private mutating func add(_ size: Size) {
    let same = sizes.firstIndex {
      $0.family == size.family && $0.position == size.position && $0.measured == size.measured
    }
    if let same {
      sizes[same].least = min(sizes[same].least, size.least)
      sizes[same].most = max(sizes[same].most, size.most)
    } else {
      sizes.append(size)
    }
  }

  /// One sentence for each family.
  public var remarks: [String] {
    KernelFamily.allCases.compactMap { family in
      let own = sizes.filter { $0.family == family }.sorted { $0.place < $1.place }
      guard !own.isEmpty else { return nil }
      return "outside what was measured of \(family.rawValue): "
        + own.map(\.text).joined(separator: ", ")
    }
  }
}

extension KernelCalibration {
  /// The sizes of `work` that lie outside what was measured; none where the entry does not say what
  /// was.
  public func outside(_ work: KernelWork) -> OutsideMeasured {
    var outside = OutsideMeasured()
    guard work.family == family else { return outside }
    for (position, (size, range)) in zip(work.sizes, measured).enumerated() {
      outside.add(family, position, size, measured: range)
    }
    return outside
  }
}
