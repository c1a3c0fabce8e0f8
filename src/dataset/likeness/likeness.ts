// How like a picture is to the nearest of a set: whether it is a copy, or only in the same style.

import { InternalError } from '../../errors.ts';
import { evenly } from '../../util/evenly.ts';
import type { Picture } from '../image.ts';
import { featuresOf, type Features } from './features.ts';
import { cutOut, sketchOf, type Sketch, type Window } from './sketch.ts';

/**
 * From this on two different files are one picture: scaled, compressed, brightened, mirrored or cut
 * at the edges. No two of the drawn examples come so near (docs/experiments.md).
 */
const SAME_PICTURE = 0.89;
/** A copy by a model is less exact; but what its own set has of likeness is no copy. */
const LEAST_COPY = 0.75;

/** The picture of a set that another is most like. */
export interface Nearest {
  /** Its number in the set. */
  readonly index: number;
  /** 1: the same picture; 0: nothing in common; below 0: rather the opposite. */
  readonly likeness: number;
}

/** A picture that is to be compared, cut and mirrored in all ways that count as the same. */
type Views = readonly Features[];

interface Member {
  readonly sketch: Sketch;
  readonly whole: Features;
}

/** Parts of a picture, as wide as these shares of it, at its corners, edges and centre. */
const PARTS = [0.9, 0.8, 0.7] as const;
const parts: readonly Window[] = PARTS.flatMap((side) =>
  [0, 0.5, 1].flatMap((down) =>
    [0, 0.5, 1].map((across) => ({ x: across * (1 - side), y: down * (1 - side), side })),
  ),
);
const WHOLE: Window = { x: 0, y: 0, side: 1 };
const windows: readonly Window[] = [WHOLE, ...parts];
const mirrored: readonly Window[] = windows.map((window) => ({ ...window, mirrored: true }));

/** So many members are compared in parts too: those that are most alike as a whole. */
const SHORTLIST = 32;

/** So many are compared with the others of their set to learn how alike those are. */
const SURVEYED = 64;
/** Members whose parts are kept at hand. */
const KEPT = 256;

/**
 * Pictures that others are compared with. The likeness of two is the mean of two cosines, at the
 * best of 28 parts of one in the other, mirrored or not: that of their tones, and that of their
 * outlines less what all pictures of the set have in common, so that a common frame or ground makes
 * no copies.
 */
export class PictureCollection {
  readonly #common: Float32Array;
  readonly #members: readonly Member[];
  readonly #parts = new Map<number, Views>();
  #copyFrom: number | undefined;

  /** Throws InternalError for a set of none. */
  constructor(pictures: readonly Picture[]) {
    if (pictures.length === 0) throw new InternalError('there are no pictures to compare with');
    const sketches = pictures.map(sketchOf);
    const wholes = sketches.map(featuresOf);
    this.#common = commonOf(wholes.map(({ outlines }) => outlines));
    this.#members = sketches.map((sketch, i) => ({ sketch, whole: this.#unit(wholes[i]) }));
  }

  nearest(picture: Picture): Nearest | undefined {
    return this.#nearest(this.#viewsOf(sketchOf(picture)), new Set());
  }

  /** The member that is the same picture; undefined where none is. */
  same(picture: Picture): number | undefined {
    const nearest = this.nearest(picture);
    return nearest !== undefined && nearest.likeness >= SAME_PICTURE ? nearest.index : undefined;
  }

  /** To each member, in order. */
  likenesses(picture: Picture): number[] {
    const views = this.#viewsOf(sketchOf(picture));
    return this.#members.map((_, index) => this.#likeness(views, index));
  }

  /** The members that are the same picture as member `index`. */
  twinsOf(index: number): number[] {
    return this.#twins(index, this.#viewsOf(this.#members[index].sketch));
  }

  /**
   * The likeness from which a picture is a copy: more than two pictures of the set have with each
   * other, those left out that are one picture, and at least LEAST_COPY. Of a large set some are
   * asked.
   */
  get copyFrom(): number {
    const surveyed = evenly(this.#members.length, SURVEYED);
    this.#copyFrom ??= surveyed.reduce((most, index) => {
      const views = this.#viewsOf(this.#members[index].sketch);
      const but = new Set([index, ...this.#twins(index, views)]);
      return Math.max(most, this.#nearest(views, but)?.likeness ?? 0);
    }, LEAST_COPY);
    return this.#copyFrom;
  }

  #nearest(views: Views, but: ReadonlySet<number>): Nearest | undefined {
    return this.#shortlist(views, but)
      .map((index) => ({ index, likeness: this.#likeness(views, index) }))
      .sort((a, b) => b.likeness - a.likeness)[0];
  }

  #twins(index: number, views: Views): number[] {
    return this.#shortlist(views, new Set([index])).filter(
      (other) => this.#likeness(views, other) >= SAME_PICTURE,
    );
  }

  #shortlist(views: Views, but: ReadonlySet<number>): number[] {
    return [...this.#members.keys()]
      .filter((index) => !but.has(index))
      .map((index) => ({ index, likeness: this.#asWhole(views, index) }))
      .sort((a, b) => b.likeness - a.likeness)
      .slice(0, SHORTLIST)
      .map(({ index }) => index);
  }

  #viewsOf(sketch: Sketch): Views {
    return [...windows, ...mirrored].map((window) =>
      this.#unit(featuresOf(cutOut(sketch, window))),
    );
  }

  /** Any part of the picture against the whole member. */
  #asWhole(views: Views, index: number): number {
    const { whole } = this.#members[index];
    return Math.max(...views.map((view) => compared(view, whole)));
  }

  /** Also the whole picture against any part of the member. */
  #likeness(views: Views, index: number): number {
    const members = this.#partsOf(index);
    const wholes = [views[0], views[windows.length]];
    const inParts = wholes.flatMap((whole) => members.map((part) => compared(whole, part)));
    return Math.max(this.#asWhole(views, index), ...inParts);
  }

  /** They are asked for again and again. */
  #partsOf(index: number): Views {
    const kept = this.#parts.get(index);
    if (kept !== undefined) return kept;
    const { sketch } = this.#members[index];
    const made = parts.map((window) => this.#unit(featuresOf(cutOut(sketch, window))));
    if (this.#parts.size >= KEPT) this.#parts.clear();
    this.#parts.set(index, made);
    return made;
  }

  /** Without what the set has in common, and of length 1. */
  #unit({ tones, outlines }: Features): Features {
    const common = this.#common;
    return { tones: unit(tones), outlines: unit(outlines.map((value, i) => value - common[i])) };
  }
}

const compared = (a: Features, b: Features): number =>
  (product(a.tones, b.tones) + product(a.outlines, b.outlines)) / 2;

function product(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** Zeros stay zeros: they are like nothing. */
function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(product(vector, vector));
  return length === 0 ? vector : vector.map((value) => value / length);
}

/** The mean; less of it where it is made of few, each of which would be much of it itself. */
function commonOf(vectors: readonly Float32Array[]): Float32Array {
  const count = vectors.length;
  const common = new Float32Array(vectors[0].length);
  const share = (count - 1) / count ** 2;
  for (const vector of vectors) vector.forEach((value, i) => (common[i] += share * value));
  return common;
}
