import Foundation
import Testing

@testable import StrictYAML

@Suite struct HostileFileTests {
  @Test func anEmptyFileIsRefused() {
    #expect(throws: Problems.self) { try Value(parsing: "", file: "x.yaml") }
  }
}
