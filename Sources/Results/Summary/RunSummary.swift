import Foundation
import Units

/// The summary of a run for programs: what `--json` prints. Keys carry units; numbers are in base
/// units (seconds, joules, tokens), shares and utilisations from 0 to 1.
///
///     print(try RunSummary(result).json())
public struct RunSummary: Codable, Hashable, Sendable {
  public struct Iteration: Codable, Hashable, Sendable {
    public var meanSeconds: Double
    public var medianSeconds: Double
    public var percentile99Seconds: Double
    public var minimumSeconds: Double
    public var maximumSeconds: Double
  }

  public struct Bound: Codable, Hashable, Sendable {
    public var bound: String
    /// Of the stage's task time.
    public var share: Double
  }

  public struct Stage: Codable, Hashable, Sendable {
    public var stage: String
    public var kind: StageDescription.Kind
    public var tasks: Int
    public var share: Double
    public var meanDeviceSecondsPerIteration: Double
    public var maximumDeviceSecondsPerIteration: Double
    public var meanWaitBeforeSecondsPerIteration: Double
    public var energyJoules: Double
    public var bounds: [Bound]
  }

  public struct Layer: Codable, Hashable, Sendable {
    public var layer: Int
    public var meanImbalance: Double
    public var worstImbalance: Double
    public var worstIteration: Int
    /// (token, expert) pairs: each token counts once for each of its experts.
    public var tokenExpertPairs: Int
    /// In dispatch and combine.
    public var bytesSent: Int
  }

  public struct Utilisation: Codable, Hashable, Sendable {
    public var kind: String
    public var resources: Int
    public var mean: Double
    public var maximum: Double
    public var busiest: String
  }

  /// ``DuplicateUse``, over all measured iterations.
  public struct Duplicates: Codable, Hashable, Sendable {
    public var expertsNeeded: Int
    public var expertsFound: Int
  }

  /// ``RunBound``, with what was reached.
  public struct Limit: Codable, Hashable, Sendable {
    public struct Roof: Codable, Hashable, Sendable {
      public var resource: String
      public var shareOfBound: Double
      /// Per cent of throughput for one per cent of the resource.
      public var elasticityOfBound: Double
      public var elasticityInTurn: Double
      /// Of the critical path, what it bounds; absent where no task is bound by it alone.
      public var criticalPathShare: Double?
    }

    public var tokensPerSecond: Double
    public var boundBy: String
    public var fractionReached: Double
    public var resources: [Roof]
    public var remarks: [String]
  }

  public struct Link: Codable, Hashable, Sendable {
    public var link: String
    public var kind: String
    public var bytes: Double
    public var utilisation: Double
    /// Of the measured time, with at least one user.
    public var busyShare: Double
    /// ``ResourceRecord/waited``.
    public var waitedSeconds: Double
  }

  public var name: String
  public var model: String
  public var cluster: String
  public var phase: String
  public var trace: String
  public var traceIsSynthetic: Bool
  public var seed: UInt64
  public var programVersion: String
  public var deviceCount: Int
  public var sequences: Int
  public var contextTokens: Double?
  public var warmupIterations: Int
  public var measuredIterations: Int
  public var measuredSeconds: Double
  public var tokens: Int
  public var tokensPerSecond: Double
  public var tokensPerSecondPerDevice: Double
  /// The closed-form bound; absent where nobody worked it out.
  public var bound: Limit?
  public var iteration: Iteration
  /// The last stage is waiting; shares add up to 1.
  public var stages: [Stage]
  /// Mean over layers of the most loaded device's tokens over the mean's; absent without experts.
  public var meanImbalance: Double?
  public var worstImbalance: Double?
  public var layers: [Layer]
  /// Absent where no copies of others' experts were kept.
  public var duplicates: Duplicates?
  public var utilisation: [Utilisation]
  /// The most utilised ones, most utilised first.
  public var hottestLinks: [Link]
  /// How many carried something.
  public var linksInUse: Int
  public var taskEnergyJoules: Double
  public var idleEnergyJoules: Double
  public var energyJoulesPerToken: Double?
  /// What must be known before trusting the numbers.
  public var remarks: [String]

  /// The summary as JSON: keys in snake case and sorted, so that equal runs give equal text.
  public func json() throws(ResultsError) -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    } catch {
      throw .lawBroken("a figure of the summary is not a number: \(error)")
    }
  }
}
