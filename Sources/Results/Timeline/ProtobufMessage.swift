/// The bytes of a protobuf message, field by field; no schema, no generated code.
///
///     var event = ProtobufMessage()
///     event.add(9, 1)                  // field 9, a varint
///     event.add(23, "attention")       // field 23, a string
///     packet.add(11, event)            // field 11, a message
struct ProtobufMessage {
  private(set) var bytes: [UInt8] = []

  /// Keeps the memory.
  mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  mutating func add(_ field: UInt64, _ number: UInt64) {
    append(field << 3)
    append(number)
  }

  mutating func add(_ field: UInt64, _ text: String) {
    append(field << 3 | 2)
    append(UInt64(text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }

  mutating func add(_ field: UInt64, _ message: ProtobufMessage) {
    append(field << 3 | 2)
    append(UInt64(message.bytes.count))
    bytes.append(contentsOf: message.bytes)
  }

  /// A varint: seven bits a byte, lowest first, the top bit where more follow.
  private mutating func append(_ number: UInt64) {
    var rest = number
    while rest > 0x7f {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }
}
