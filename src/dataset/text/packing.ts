// Several short sequences in one row of the model's window: best fit, the longest first.

/**
 * Puts items of `lengths` (each at most `capacity`) into few rows. `order` breaks ties, so that
 * rows mix the data. Returns the positions of the items in each row.
 */
export function pack(
  lengths: readonly number[],
  order: ArrayLike<number>,
  capacity: number,
): number[][] {
  const sorted = Array.from(order).sort((a, b) => lengths[b] - lengths[a]);
  const rows: number[][] = [];
  // rows by the room they have left
  const open: number[][] = Array.from({ length: capacity + 1 }, () => []);
  for (const item of sorted) {
    let room = lengths[item];
    while (room <= capacity && open[room].length === 0) room++;
    const row = room > capacity ? rows.push([]) - 1 : (open[room].pop() ?? 0);
    rows[row].push(item);
    open[Math.min(room, capacity) - lengths[item]].push(row);
  }
  return rows;
}
