import StrictYAML
import Testing

@testable import Scenario

@Suite("Scenarios that are not understood")
struct UnresolvedScenarioTests {
  /// A sweep leaves values out whose scenarios have problems, and ends with anything else.
  @Test("are a defect and no problem of theirs")
  func defect() throws {
    let error = #expect(throws: UnresolvedScenario.self) {
      try PredictableScenarios.resolved(nil, path: "a.yaml")
    }
    #expect(!((error as (any Error)?) is Problems))
    #expect(error.map { "\($0)" }?.contains("a.yaml: cannot be resolved") == true)
    #expect(error.map { "\($0)" }?.contains("please report this scenario") == true)
  }
}
