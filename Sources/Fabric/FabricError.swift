import Engine
import Units

/// Why a network cannot be built or used.
public enum FabricError: Error, Sendable {
  case noRoute(from: String, to: String)
  case failedDevice(Int)
  case noSwitch(device: Int)
  case ranks(Int, devices: Int)
  case engine(EngineError)
  case zeroCapacity(link: String)
  /// A topology that does not suit the cluster: the sentence says why.
  case topology(String)
  /// A key of a fabric that changes nothing: the sentence says why.
  case withoutEffect(key: String, String)
  case unknownPart(String, meant: String? = nil, known: [String])
  /// A companion's link where a change was to name a part of the network; what it can name.
  case companionLink(String, nameable: [String])
  case tooManyLinks(links: Double, bytes: Double, limit: Double)
  case tooManyRoutes(devices: Int, bytes: Double, limit: Double)
  case tooManyMessages(steps: Double, bytes: Double, limit: Double)

  public var sentence: String {
    switch self {
    case .noRoute(let source, let target):
      "there is no way from \(source) to \(target)"
    case .failedDevice(let device):
      "device \(device) fails, and its experts and sequences live nowhere else"
    case .noSwitch(let device):
      "device \(device) has no switch to its neighbours that could add or copy for it"
    case .ranks(let ranks, let devices):
      "there are \(devices) devices, so there cannot be \(ranks) ranks; ask for 1 to \(devices)"
    case .engine(let error):
      error.sentence { _ in "the collective" }
    case .zeroCapacity(let link):
      "the link \(link) has no bandwidth; give it one, or leave it out"
    case .topology(let reason), .withoutEffect(_, let reason):
      reason
    case .unknownPart(let name, let meant, let known):
      "the network has no '\(name)'; it has \(known.joined(separator: ", "))"
        + (meant.map { "; did you mean '\($0)'?" } ?? "")
    case .companionLink(let name, let nameable):
      "'\(name)' is a companion's link, and none of the network's: it cannot change so far; name "
        + nameable.dropLast().joined(separator: ", ") + (nameable.count > 1 ? " or " : "")
        + (nameable.last ?? "")
    case .tooManyLinks(let links, let bytes, let limit):
      "the topology has \(fourDigits(links)) links between switches, which take \(Bytes(bytes)) of "
        + "memory; at most \(Bytes(limit)) are used"
    case .tooManyRoutes(let devices, let bytes, let limit):
      "the routes between \(devices) devices take \(Bytes(bytes)) of memory; "
        + "at most \(Bytes(limit)) are used"
    case .tooManyMessages(let steps, let bytes, let limit):
      "that is \(fourDigits(steps)) messages, which take \(Bytes(bytes)) of memory; "
        + "at most \(Bytes(limit)) are used"
    }
  }
}
