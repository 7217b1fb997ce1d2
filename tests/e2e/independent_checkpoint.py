#!/usr/bin/python3
"""Writes a small checkpoint with DeepSeek-V4.1's names, and shares no code with engramd.

Plain Python, the standard library only: what engramd imports from here was written by nobody who
knows how engramd reads. Rows are random bytes from a seed. The weight and scale planes of a layer
lie in different shards, in an order that is not that of the rows' use, among unrelated tensors.

  independent_checkpoint.py DIRECTORY [--vocab-size N] [--seed N]

python_client.py reads the tensors back with read_tensor() of this file.
"""

import argparse
import json
import os
import random
import struct

LAYERS = (1, 14)
MAX_NGRAM = 4
HEADS = 8
VALUES = 256
SCALES = 8
INDEX = "model.safetensors.index.json"


def is_prime(n):
    if n < 2:
        return False
    divisor = 2
    while divisor * divisor <= n:
        if n % divisor == 0:
            return False
        divisor += 1
    return True


def next_prime(n, used):
    n += 1
    while n in used or not is_prime(n):
        n += 1
    return n


def row_counts(vocab_size):
    """Rows of each layer: every order starts its search anew and skips primes already used."""
    used = set()
    counts = []
    for _ in LAYERS:
        rows = 0
        for _ in range(2, MAX_NGRAM + 1):
            prime = vocab_size - 1
            for _ in range(HEADS):
                prime = next_prime(prime, used)
                used.add(prime)
                rows += prime
        counts.append(rows)
    return counts


def write_shard(path, tensors):
    """tensors: (name, dtype, shape, bytes) in the order of their data."""
    header = {}
    offset = 0
    for name, dtype, shape, data in tensors:
        end = offset + len(data)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for _, _, _, data in tensors:
            file.write(data)


def make_tensors(rng, counts):
    tensors = {"embed.weight": ("BF16", [8, 4], rng.randbytes(64))}
    for layer, rows in zip(LAYERS, counts):
        prefix = f"layers.{layer}.engram.embed."
        tensors[prefix + "weight"] = ("F8_E4M3", [rows, VALUES], rng.randbytes(rows * VALUES))
        tensors[prefix + "scale"] = ("F8_E8M0", [rows, SCALES], rng.randbytes(rows * SCALES))
        tensors[f"layers.{layer}.attn_norm.weight"] = ("F32", [3], rng.randbytes(12))
    return tensors


def shard_of(name):
    """Three shards: both scale planes, both weight planes, and everything else."""
    if name.endswith(".engram.embed.scale"):
        return 1
    return 2 if name.endswith(".engram.embed.weight") else 3


def write_checkpoint(directory, vocab_size, seed):
    counts = row_counts(vocab_size)
    tensors = make_tensors(random.Random(seed), counts)
    os.makedirs(directory, exist_ok=True)
    weight_map = {}
    for shard in (1, 2, 3):
        file_name = f"model-{shard:05d}-of-00003.safetensors"
        # Layer 14 lies before layer 1.
        names = sorted((name for name in tensors if shard_of(name) == shard), reverse=True)
        write_shard(os.path.join(directory, file_name), [(n, *tensors[n]) for n in names])
        weight_map.update({name: file_name for name in names})
    total = sum(len(data) for _, _, data in tensors.values())
    with open(os.path.join(directory, INDEX), "w", encoding="utf-8") as file:
        json.dump({"metadata": {"total_size": total}, "weight_map": weight_map}, file)
    config = {
        "text_config": {
            "engram_layer_ids": list(LAYERS),
            "engram_num_embeddings": counts,
            "engram_max_ngram_size": MAX_NGRAM,
            "engram_vocab_size": vocab_size,
            "engram_n_heads": HEADS,
            "engram_head_dim": VALUES,
            "engram_pad_token_id": 2,
            "engram_compressed_vocab_size": 99092,
        }
    }
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    return counts


def read_tensor(directory, name):
    """Returns (dtype, shape, bytes) of a tensor, found through the index."""
    with open(os.path.join(directory, INDEX), encoding="utf-8") as file:
        file_name = json.load(file)["weight_map"][name]
    with open(os.path.join(directory, file_name), "rb") as file:
        (header_bytes,) = struct.unpack("<Q", file.read(8))
        entry = json.loads(file.read(header_bytes))[name]
        begin, end = entry["data_offsets"]
        file.seek(8 + header_bytes + begin)
        return entry["dtype"], entry["shape"], file.read(end - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory")
    parser.add_argument("--vocab-size", type=int, default=200,
                        help="where the search for primes starts; a layer has some 24 times as "
                        "many rows and more (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=20260712)
    args = parser.parse_args()
    counts = write_checkpoint(args.directory, args.vocab_size, args.seed)
    for layer, rows in zip(LAYERS, counts):
        print(f"layer {layer}: {rows} rows")


if __name__ == "__main__":
    main()
