import Synchronization
import Testing
import Threading

@Test(
  "Work in parallel answers in order, and tells of every piece once", arguments: [0, 1, 3, 200])
func piecesInOrder(threads: Int) {
  let told = Mutex<[Int]>([])
  let squares = inParallel(
    100, threads: threads, work: { $0 * $0 }, ended: { done in told.withLock { $0.append(done) } })
  #expect(squares == (0..<100).map { $0 * $0 })
  #expect(told.withLock { $0 } == Array(1...100))
  #expect(inParallel(0, threads: threads, work: { $0 }) == [])
}
