/// What decides how long a layer's exchange takes: copies of tokens over the busiest ports, in dispatch;
/// in combine as many go the other way. And those that the busiest groups handle.
///
/// Or, as the factors of such numbers, the seconds that each of them takes.
struct HomeLoad {
  /// Over a group's port in its node: of tokens of that node, of others that are passed on there, and of
  /// both, which need not be the same port's.
  var own = 0.0
  var passedOn = 0.0
  var inside = 0.0
  /// Over the same port to other nodes and from them, where that is their way
  /// (``TokenExchange/leavesByPort``): with the first and with the third of those, and alone.
  var ownAndLeaving = 0.0
  var insideAndLeaving = 0.0
  var leaving = 0.0
  /// Over a group's way to other nodes.
  var across = 0.0
  /// That a group makes of its own tokens, and that are for a group, whosever they are: what stays is among
  /// them.
  var made = 0.0
  var worked = 0.0
  /// Nodes that a group's own tokens go to, its own among them.
  var staged = 0.0

  /// The sum over all numbers of one times the other.
  static func * (one: HomeLoad, other: HomeLoad) -> Double {
    one.own * other.own + one.passedOn * other.passedOn + one.inside * other.inside
      + one.ownAndLeaving * other.ownAndLeaving + one.insideAndLeaving * other.insideAndLeaving
      + one.leaving * other.leaving + one.across * other.across + one.made * other.made
      + one.worked * other.worked + one.staged * other.staged
  }

  static func += (one: inout HomeLoad, other: HomeLoad) {
    one.own += other.own
    one.passedOn += other.passedOn
    one.inside += other.inside
    one.ownAndLeaving += other.ownAndLeaving
    one.insideAndLeaving += other.insideAndLeaving
    one.leaving += other.leaving
    one.across += other.across
    one.made += other.made
    one.worked += other.worked
    one.staged += other.staged
  }
}
