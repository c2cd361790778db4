import Foundation
import Models
import Serving
import StrictYAML

/// A model and what results that used it must say.
struct ResolvedModel {
  var architecture: ModelArchitecture
  var remarks: [String] = []
}

/// `model`: a name of the catalogue, a path to a file (it has a `/` or ends in `.yaml`), or the
/// architecture itself.
extension ScenarioReader {
  /// - Parameter catalogue: nil where it could not be read, which is no problem of the model's.
  func model(_ catalogue: ModelCatalogue?) -> ResolvedModel? {
    guard let value = root.required("model", example: "deepseek-v2-lite") else { return nil }
    let found: ResolvedModel?
    switch value.content {
    case .mapping:
      found = architecture(MappingReader(value, problems), name: "the scenario's model")
    case .scalar(let text) where !namesModel:
      found = modelFile(document.resolve(text, writtenAt: value.location), at: value.location)
    case .scalar(let name):
      found = catalogue.flatMap { catalogued(name, in: $0, at: value.location) }
    default:
      problems.add(
        "'model' is a name of the catalogue, a path or an architecture, not \(value.kindName)",
        at: value.location)
      return nil
    }
    return found.flatMap { isServable($0.architecture, at: value.location) ? $0 : nil }
  }

  /// Whether `model` is a name of the catalogue.
  var namesModel: Bool {
    guard case .scalar(let text) = document.value["model"]?.content else { return false }
    return !text.contains("/") && !text.hasSuffix(".yaml")
  }

  private func catalogued(
    _ name: String, in catalogue: ModelCatalogue, at place: Location
  ) -> ResolvedModel? {
    do {
      let entry = try catalogue.named(name)
      var remarks: [String] = []
      if !entry.unverified.isEmpty {
        remarks.append("unverified: \(entry.name): \(entry.unverified.joined(separator: ", "))")
      }
      if let note = entry.note { remarks.append("\(entry.name): \(note)") }
      return ResolvedModel(architecture: entry.architecture, remarks: remarks)
    } catch {
      problems.add(error.sentence, at: place)
      return nil
    }
  }

  private func modelFile(_ path: String, at place: Location) -> ResolvedModel? {
    if let reason = reasonNotToRead(path) {
      problems.add("the model '\(path)' cannot be read: \(reason)", at: place)
      return nil
    }
    do {
      let reader = MappingReader(
        try Value.contents(ofFile: path), problems, context: "a model file")
      let file = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
      return architecture(reader, name: file)
    } catch {
      problems.add(error)
      return nil
    }
  }

  private func architecture(_ reader: MappingReader, name: String) -> ResolvedModel? {
    ModelArchitecture(reading: reader, name: name).map { ResolvedModel(architecture: $0) }
  }

  private func isServable(_ model: ModelArchitecture, at place: Location) -> Bool {
    if model.experts.count == 0 || model.expertLayers.isEmpty {
      problems.add(ServingError.noExperts(model.name).sentence, at: place)
      return false
    }
    return true
  }
}
