import Hardware
import Models
import StrictYAML

/// `catalogue: [my-devices.yaml, my-models.yaml]`: files in the format of the program's own.
///
/// A file has models, or it has links, memory kinds, devices and nodes.
extension ScenarioReader {
  /// Nil where a file of that kind is wrong, or one of no known kind, so that names cannot be looked up,
  /// and where no name of that kind is asked for.
  func catalogues() -> (hardware: HardwareCatalogue?, models: ModelCatalogue?) {
    guard let (hardwareFiles, modelFiles) = catalogueFiles() else { return (nil, nil) }
    var hardware: HardwareCatalogue?
    var models: ModelCatalogue?
    if let library {
      var names: Set<String> = []
      for key in ["model", "cluster", "fabric"] { document.value[key]?.words(into: &names) }
      let hasRequests = document.value["workload"]?["prompt"] != nil
      do {
        hardware = try library.hardware(naming: names, kernels: hasRequests, files: hardwareFiles)
        if namesModel || !modelFiles.isEmpty {
          models = try library.models(naming: names, files: modelFiles)
        }
      } catch { problems.add(error) }
      return (hardware, models)
    }
    do { hardware = try HardwareCatalogue.load(extraFiles: hardwareFiles) } catch {
      problems.add(error)
    }
    if namesModel || !modelFiles.isEmpty {
      do { models = try ModelCatalogue.load(extraFiles: modelFiles) } catch { problems.add(error) }
    }
    return (hardware, models)
  }

  /// Nil where a file cannot be read.
  private func catalogueFiles() -> (hardware: [String], models: [String])? {
    var files: (hardware: [String], models: [String]) = ([], [])
    guard let list = root.optional("catalogue") else { return files }
    var areRead = true
    guard case .sequence(let entries) = list.content, !entries.isEmpty else {
      problems.add(
        "'catalogue' is a list of files, not \(list.kindName); "
          + "write it like 'catalogue: [my-devices.yaml]'", at: list.location)
      return nil
    }
    for entry in entries {
      guard let name = entry.text("catalogue", problems) else { continue }
      let path = document.resolve(name, writtenAt: entry.location)
      if let reason = reasonNotToRead(path) {
        problems.add("'\(path)' cannot be read: \(reason)", at: entry.location)
        areRead = false
        continue
      }
      do {
        let content = try Value.contents(ofFile: path)
        let hasModels = content["models"] != nil
        let sections = ["links", "memory-kinds", "devices", "nodes", "collectives", "kernels"]
        let hasHardware = sections.contains { content[$0] != nil }
        if hasModels && hasHardware {
          problems.add(
            "'\(path)' has models beside hardware; give the models a file of their own",
            at: entry.location)
        } else if hasModels {
          files.models.append(path)
        } else {
          files.hardware.append(path)
        }
      } catch {
        problems.add(error)
        areRead = false
      }
    }
    return areRead ? files : nil
  }
}
