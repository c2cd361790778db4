import Hardware
import Models
import Serving
import StrictYAML
import Traces

/// What scenarios refer to, read once for many of them, and no more of it than closed forms need.
///
///     let library = ScenarioLibrary()
///     let scenario = ScenarioReader(document, problems, library).scenario(seed: nil)
///
/// A placement that would be searched for is not, selections that would be drawn are few, traces are
/// opened without reading them through, and of the catalogue only what is named is read.
final class ScenarioLibrary {
  /// Whether catalogues are read whole.
  var readsAll = false
  private var hardware: [Key: HardwareCatalogue] = [:]
  private var models: [Key: ModelCatalogue] = [:]
  private var traces: [String: RoutingTrace] = [:]
  private var drawn: [Drawing: RoutingTrace] = [:]

  private struct Key: Hashable {
    var names: Set<String>
    var files: [String]
    var hasKernels = false
  }

  private struct Drawing: Hashable {
    var law: SelectionLaw
    var model: ModelArchitecture
    var phase: Phase
  }

  func hardware(
    naming names: Set<String>, kernels: Bool, files: [String]
  ) throws(Problems) -> HardwareCatalogue {
    let key = Key(names: readsAll ? [] : names, files: files, hasKernels: kernels || readsAll)
    if let known = hardware[key] { return known }
    let read =
      readsAll
      ? try HardwareCatalogue.load(extraFiles: files)
      : try HardwareCatalogue.load(naming: names, kernels: kernels, extraFiles: files)
    hardware[key] = read
    return read
  }

  func models(naming names: Set<String>, files: [String]) throws(Problems) -> ModelCatalogue {
    let key = Key(names: readsAll ? [] : names, files: files, hasKernels: readsAll)
    if let known = models[key] { return known }
    let read =
      readsAll
      ? try ModelCatalogue.load(extraFiles: files)
      : try ModelCatalogue.load(naming: names, extraFiles: files)
    models[key] = read
    return read
  }

  func trace(_ path: String) throws(TraceError) -> RoutingTrace {
    if let known = traces[path] { return known }
    let opened = try RoutingTrace(glancingAt: path)
    traces[path] = opened
    return opened
  }

  /// Some sequences of a law's tokens.
  func trace(
    drawing law: SelectionLaw, for model: ModelArchitecture, phase: Phase
  ) throws(TraceError) -> RoutingTrace {
    let key = Drawing(law: law, model: model, phase: phase)
    if let known = drawn[key] { return known }
    let few = try RoutingSample.trace(drawing: law, for: model, phase: phase)
    drawn[key] = few
    return few
  }
}
