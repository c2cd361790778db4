import Testing
import Units

@testable import Engine

@Test func theHeapReturnsEventsByTimeThenClassThenSequence() {
  var queue = FourAryHeap()
  queue.push(SimTime(picoseconds: 5), .completion, payload: 2)
  queue.push(SimTime(picoseconds: 5), .capacityChange, payload: 1)
  queue.push(SimTime(picoseconds: 5), .completion, payload: 3)
  queue.push(SimTime(picoseconds: 4), .observation, payload: 0)
  for payload in 0..<4 { #expect(queue.pop()?.payload == UInt64(payload)) }
  #expect(queue.pop() == nil)
}
