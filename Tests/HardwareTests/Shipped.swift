import Hardware

/// The shipped catalogue, read once for all tests.
enum Shipped {
  private static let result = Result { try HardwareCatalogue.load() }

  static func catalogue() throws -> HardwareCatalogue { try result.get() }
}
