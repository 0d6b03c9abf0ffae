/**
 * Who listens to a subject. Subscriptions without wildcards lie in a map by subject, those with wildcards in a tree by
 * word. What a subject matches is remembered until a subscription that it could match comes or goes, so a busy subject
 * costs one map look-up per message.
 */
import { hasWildcard } from './subject.ts';

/** The part of a subscription that matching needs. */
export interface Subscribed {
  readonly subject: string;
  /** Of all members of a queue group only one gets a message; empty for none. */
  readonly queue: string;
}

/** Never changed: a new one is made when subscriptions change. */
export interface Match<S> {
  readonly plain: readonly S[];
  readonly queues: readonly (readonly S[])[];
}

/** Reply subjects are used once, so the memory of matches fills with them; it is emptied at this size. */
const MAX_REMEMBERED = 2048;

export class Sublist<S extends Subscribed> {
  readonly #literal = new Map<string, Set<S>>();
  readonly #root = new Node<S>();
  readonly #remembered = new Map<string, Match<S>>();
  #wildcards = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(subscription: S): void {
    const { subject } = subscription;
    if (hasWildcard(subject)) {
      this.#node(subject).listeners.add(subscription);
      this.#wildcards++;
      this.#remembered.clear();
    } else {
      const set = this.#literal.get(subject);
      if (set) set.add(subscription);
      else this.#literal.set(subject, new Set([subscription]));
      this.#remembered.delete(subject);
    }
    this.#size++;
  }

  /** Does nothing when it is not there. */
  remove(subscription: S): void {
    const { subject } = subscription;
    if (hasWildcard(subject)) {
      if (!removeFrom(this.#root, subject.split('.'), 0, subscription)) return;
      this.#wildcards--;
      this.#remembered.clear();
    } else {
      const set = this.#literal.get(subject);
      if (!set?.delete(subscription)) return;
      if (set.size === 0) this.#literal.delete(subject);
      this.#remembered.delete(subject);
    }
    this.#size--;
  }

  match(subject: string): Match<S> {
    const known = this.#remembered.get(subject);
    if (known) return known;
    const found: S[] = [];
    if (this.#wildcards > 0) collect(this.#root, subject.split('.'), 0, found);
    for (const subscription of this.#literal.get(subject) ?? []) found.push(subscription);
    const match = grouped(found);
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(subject, match);
    return match;
  }

  #node(subject: string): Node<S> {
    let node = this.#root;
    for (const word of subject.split('.')) {
      let child = node.children.get(word);
      if (!child) node.children.set(word, child = new Node());
      node = child;
    }
    return node;
  }
}

class Node<S> {
  /** By word; `*` and `>` are the wildcards here, since a published word is never looked up under these names. */
  readonly children = new Map<string, Node<S>>();
  readonly listeners = new Set<S>();
}

function removeFrom<S>(node: Node<S>, words: readonly string[], depth: number, subscription: S): boolean {
  if (depth === words.length) return node.listeners.delete(subscription);
  const child = node.children.get(words[depth]!);
  if (!child || !removeFrom(child, words, depth + 1, subscription)) return false;
  if (child.listeners.size === 0 && child.children.size === 0) node.children.delete(words[depth]!);
  return true;
}

function collect<S>(node: Node<S>, words: readonly string[], depth: number, found: S[]): void {
  if (depth === words.length) {
    for (const listener of node.listeners) found.push(listener);
    return;
  }
  const word = words[depth]!;
  if (word === '') return;
  // An empty word anywhere makes the subject invalid: it reaches nobody, not even `>`.
  const rest = node.children.get('>');
  if (rest && !words.includes('', depth)) { for (const listener of rest.listeners) found.push(listener); }
  const any = node.children.get('*');
  if (any) collect(any, words, depth + 1, found);
  if (word === '*' || word === '>') return;
  const literal = node.children.get(word);
  if (literal) collect(literal, words, depth + 1, found);
}

function grouped<S extends Subscribed>(found: readonly S[]): Match<S> {
  const plain: S[] = [];
  const queues = new Map<string, S[]>();
  for (const subscription of found) {
    if (subscription.queue === '') {
      plain.push(subscription);
      continue;
    }
    // A group is known by its name alone, even if its members listen to different subjects.
    const members = queues.get(subscription.queue);
    if (members) members.push(subscription);
    else queues.set(subscription.queue, [subscription]);
  }
  return { plain, queues: [...queues.values()] };
}
