import CGSL

/// Nonlinear least squares: the parameters of a model that leave the smallest residuals.
///
///     let problem = LeastSquares(
///       parameters: [Parameter("rate", start: 1, in: .positive)], residualCount: times.count)
///     let fit = try problem.solved { values, residuals in
///       for index in times.indices {
///         residuals[index] = exp(-values[0] * times[index]) - measured[index]
///       }
///     }
///
/// GSL's trust region method (Levenberg-Marquardt steps with More's scaling; GSL manual, "Nonlinear
/// Least-Squares Fitting") with derivatives by forward differences. A bounded parameter is searched
/// through a transformation that cannot leave its bounds. Each iteration costs one evaluation of
/// all residuals for each parameter and O(residuals x parameters^2). Deterministic.
public struct LeastSquares: Sendable {
  public var parameters: [Parameter]
  public var residualCount: Int
  public var loss = Loss.squared
  public var mostIterations = 400
  /// Of a step relative to its parameter, and of the scaled gradient.
  public var tolerance = 1e-10

  public init(parameters: [Parameter], residualCount: Int, loss: Loss = .squared) {
    self.parameters = parameters
    self.residualCount = residualCount
    self.loss = loss
  }

  /// One unknown: where the search begins and where it must stay.
  public struct Parameter: Sendable {
    public var name: String
    public var start: Double
    public var bounds: Bounds

    public init(_ name: String, start: Double, in bounds: Bounds = .free) {
      self.name = name
      self.start = start
      self.bounds = bounds
    }
  }

  public enum Bounds: Hashable, Sendable {
    case free
    /// Greater than zero; searched by its logarithm.
    case positive
    /// Strictly between two values; searched by its logit.
    case between(Double, Double)
  }

  /// How much a residual r weighs in the sum that is made small.
  public enum Loss: Hashable, Sendable {
    /// r^2.
    case squared
    /// s^2 log(1 + (r / s)^2) with scale s: like r^2 far below s, nearly constant far above it, so
    /// that outliers do not steer the fit (Holland and Welsch, "Robust regression using iteratively
    /// reweighted least-squares", Communications in Statistics A6, 1977).
    case cauchy(scale: Double)
  }

  /// What a search found.
  public struct Solution: Sendable {
    /// In the order of the parameters.
    public var values: [Double]
    /// Of each value, from the curvature at the solution; infinite where the residuals do not
    /// depend on it.
    public var standardErrors: [Double]
    /// The sum of the residuals' losses.
    public var objective: Double
    public var iterations: Int
    public var status: Status
  }

  public enum Status: Hashable, Sendable {
    /// The last step or the gradient is below the tolerance.
    case converged
    /// No step makes the sum smaller, in spite of a gradient: common at a kink of the model.
    case noProgress
    case mostIterationsReached
  }

  /// Searches from the parameters' starting values.
  ///
  /// - Parameter residuals: Takes values and writes every residual; they must be finite at the
  ///   starting values. Where they are not finite later, the search ends where it stands.
  /// - Throws: ``LeastSquaresError``.
  public func solved(
    _ residuals: @escaping (_ values: [Double], _ residuals: inout [Double]) -> Void
  ) throws(LeastSquaresError) -> Solution {
    guard isGSLErrorHandlerOff else { throw .outOfMemory }
    guard !parameters.isEmpty else { throw .noParameters }
    guard residualCount >= parameters.count else {
      throw .tooFewResiduals(residualCount, parameters: parameters.count)
    }
    if case .cauchy(let scale) = loss, !(scale > 0 && scale.isFinite) { throw .badScale(scale) }
    for parameter in parameters {
      guard parameter.isStartWithinBounds else {
        throw .startOutOfBounds(parameter.name, start: parameter.start)
      }
    }
    let evaluation = Evaluation(parameters, residualCount, loss, residuals)
    guard evaluation.evaluate(parameters.map(\.start)) else {
      throw .notFiniteAtStart
    }
    return try search(evaluation)
  }

  private func search(_ evaluation: Evaluation) throws(LeastSquaresError) -> Solution {
    // Levenberg-Marquardt steps, More's scaling, QR, forward differences: GSL's own defaults.
    var settings = gsl_multifit_nlinear_default_parameters()
    guard
      let workspace = gsl_multifit_nlinear_alloc(
        cgsl_trust_region(), &settings, residualCount, parameters.count)
    else { throw .outOfMemory }
    defer { gsl_multifit_nlinear_free(workspace) }
    var function = gsl_multifit_nlinear_fdf()
    function.f = { point, context, output in
      guard let point, let context, let output else { return GSL_EFAULT.status }
      let evaluation = Unmanaged<Evaluation>.fromOpaque(context).takeUnretainedValue()
      return evaluation.evaluate(point, into: output)
    }
    function.n = residualCount
    function.p = parameters.count
    function.params = Unmanaged.passUnretained(evaluation).toOpaque()
    return try withExtendedLifetime(evaluation) { () throws(LeastSquaresError) -> Solution in
      let start = gsl_vector_alloc(parameters.count)
      guard let start else { throw .outOfMemory }
      defer { gsl_vector_free(start) }
      for (index, parameter) in parameters.enumerated() {
        gsl_vector_set(start, index, parameter.inner(parameter.start))
      }
      guard gsl_multifit_nlinear_init(start, &function, workspace) == GSL_SUCCESS.status else {
        throw .notFiniteAtStart
      }
      var information: Int32 = 0
      let outcome = gsl_multifit_nlinear_driver(
        mostIterations, tolerance, tolerance, 0, nil, nil, &information, workspace)
      return try solution(workspace, outcome)
    }
  }

  private func solution(
    _ workspace: UnsafeMutablePointer<gsl_multifit_nlinear_workspace>, _ outcome: Int32
  ) throws(LeastSquaresError) -> Solution {
    let count = parameters.count
    guard let covariance = gsl_matrix_alloc(count, count) else { throw .outOfMemory }
    defer { gsl_matrix_free(covariance) }
    let isSolved =
      gsl_multifit_nlinear_covar(gsl_multifit_nlinear_jac(workspace), 0, covariance)
      == GSL_SUCCESS.status
    let position = gsl_multifit_nlinear_position(workspace)
    let rest = gsl_multifit_nlinear_residual(workspace)
    var objective = 0.0
    for index in 0..<residualCount {
      let residual = gsl_vector_get(rest, index)
      objective += residual * residual
    }
    let variance = objective / Double(max(1, residualCount - count))
    var values: [Double] = []
    var errors: [Double] = []
    for (index, parameter) in parameters.enumerated() {
      let inner = gsl_vector_get(position, index)
      values.append(parameter.outer(inner))
      // GSL leaves zero variance to a direction in which nothing changes.
      let diagonal = isSolved ? gsl_matrix_get(covariance, index, index) : 0
      let error = (diagonal * variance).squareRoot() * parameter.slope(inner)
      errors.append(diagonal > 0 ? error : .infinity)
    }
    let status: Status =
      switch outcome {
      case GSL_SUCCESS.status: .converged
      case GSL_EMAXITER.status: .mostIterationsReached
      default: .noProgress
      }
    return Solution(
      values: values, standardErrors: errors, objective: objective,
      iterations: Int(gsl_multifit_nlinear_niter(workspace)), status: status)
  }
}

/// Why a search cannot begin.
public enum LeastSquaresError: Error, Hashable, Sendable {
  case noParameters
  case tooFewResiduals(Int, parameters: Int)
  case startOutOfBounds(String, start: Double)
  case notFiniteAtStart
  case badScale(Double)
  case outOfMemory

  /// What is wrong, in one sentence without a full stop.
  public var sentence: String {
    switch self {
    case .noParameters: "the measurements tell none of its numbers apart"
    case .tooFewResiduals(let count, let parameters):
      "\(count) measurements cannot fix \(parameters) parameters"
    case .startOutOfBounds(let name, let start):
      "the search for '\(name)' begins at \(start), outside of its bounds"
    case .notFiniteAtStart: "the model is not finite where the search begins"
    case .badScale(let scale): "a loss's scale is \(scale); it must be positive"
    case .outOfMemory: "there is no memory for the fit"
    }
  }
}

/// The closure and the buffers that one search uses; a class because C hands it back as a pointer.
private final class Evaluation {
  private let parameters: [LeastSquares.Parameter]
  private let loss: LeastSquares.Loss
  private let closure: ([Double], inout [Double]) -> Void
  private var values: [Double]
  private var residuals: [Double]

  init(
    _ parameters: [LeastSquares.Parameter], _ count: Int, _ loss: LeastSquares.Loss,
    _ closure: @escaping ([Double], inout [Double]) -> Void
  ) {
    self.parameters = parameters
    self.loss = loss
    self.closure = closure
    values = parameters.map(\.start)
    residuals = [Double](repeating: 0, count: count)
  }

  /// Whether every residual is there and finite.
  func evaluate(_ values: [Double]) -> Bool {
    let count = residuals.count
    closure(values, &residuals)
    return residuals.count == count && residuals.allSatisfy(\.isFinite)
  }

  func evaluate(
    _ point: UnsafePointer<gsl_vector>, into output: UnsafeMutablePointer<gsl_vector>
  ) -> Int32 {
    for index in parameters.indices {
      values[index] = parameters[index].outer(gsl_vector_get(point, index))
    }
    guard evaluate(values) else { return GSL_EDOM.status }
    for index in residuals.indices {
      gsl_vector_set(output, index, loss.root(residuals[index]))
    }
    return GSL_SUCCESS.status
  }
}
