import Calibration
import Fabric
import Hardware
import Models
import Placement
import Results
import Serving
import StrictYAML
import Traces

/// Why a command ends early: the sentence that its user reads, and the exit code.
struct CommandFailure: Error {
  var sentence: String
  /// 2 where what was asked for is wrong, 1 where the run failed.
  var exitCode: Int32 = 2

  init(_ sentence: String, exitCode: Int32 = 2) {
    self.sentence = sentence
    self.exitCode = exitCode
  }

  /// The one place where errors of the libraries become what a user reads.
  init(_ error: any Error) {
    switch error {
    case let failure as CommandFailure: self = failure
    case let problems as Problems: self.init(problems.description)
    case let error as ServingError:
      self.init(error.sentence, exitCode: error.isInputError ? 2 : 1)
    case let error as ResultsError:
      self.init(error.sentence, exitCode: error.isInputError ? 2 : 1)
    case let error as TraceError: self.init(error.sentence)
    case let error as CalibrationError: self.init(error.sentence)
    case let error as FabricError: self.init(error.sentence)
    case let error as CollectiveError: self.init(error.sentence)
    case let error as PlacementProblemError: self.init(error.sentence)
    case let error as HardwareError: self.init(error.sentence)
    case let error as UnknownModel: self.init(error.sentence)
    default: self.init("\(error)", exitCode: 1)
    }
  }
}

/// Runs `body` with its errors translated.
func reportingFailures<Value>(_ body: () throws -> Value) throws -> Value {
  do { return try body() } catch { throw CommandFailure(error) }
}
