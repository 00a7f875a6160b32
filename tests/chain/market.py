"""A small market on a real node: honest tokens, several ways to be robbed, odd events, hostile names, and a reorg.

    with Anvil(find_anvil()) as chain:
        story = play(chain)                 # as fast as it goes; play(chain, seconds_per_block=0.3) can be watched
        story["tokens"]["slow rug"]         # {"kind", "token", "pair", "creator", "launched", "ended", ...}

Every actor is a generator that acts once a block, so that all of them act side by side; the same seed gives the same chain.
What is told as truth is what the actors did, in blocks of the branch that won.
"""
import random
import time

from .anvil import Anvil, Contract

ETHER = 10**18
SUPPLY = 1_000_000 * ETHER
UNLIMITED = 2**256 - 1
LOCKER = "0x663a5c229c09b049e36dcc11a9b0d4a8eb9db214"  # where mainnet's first large locker of liquidity stands
DEAD = "0x000000000000000000000000000000000000dead"
FINALITY = 64
TRADERS = range(10, 34)
WASHERS = (34, 35, 36)
GHOST = 37
HOSTILE_NAMES = {  # label: (name, symbol)
    "script": (b"<script>alert(1)</script>", b"\"><img src=x onerror=alert(2)>"),
    "right to left": ("\u202eNIOCTIB\u202c \u2066x\u2069".encode(), "\u200f\u202eKTC".encode()),
    "nul": (b"zero\0after", b"\0\0\0"),
    "long": (b"A very long name. " * 569, b"L" * 1000),
    "not utf-8": (b"\xff\xfe\xc3\x28\xed\xa0\x80", b"\x80abc\xf5"),
    "csv": (b"=HYPERLINK(\"http://x.invalid\"),1\r\n2;'; DROP TABLE tokens; --", b"a,b\t\\\"c"),
    "empty": (b"", b""),
}


class Market:
    """What the actors share."""

    def __init__(self, chain: Anvil, seed):
        self.chain, self.random = chain, random.Random(seed)
        self.tokens = {}
        self.approved = set()
        self.spent = set()  # (token, account) that spent of a token in this block: what it has left is not known before the next
        self.weth = self.factory = self.desk = self.launchpad = None
        self.reorg = None

    def open(self):
        """The common contracts, and ether for everybody."""
        self.weth = self.chain.deploy("WrappedEther")
        self.factory = self.chain.deploy("Factory")
        self.desk = self.chain.deploy("Desk")
        self.launchpad = self.chain.deploy("Launchpad")
        self.chain.mine()
        for account in range(len(self.chain.accounts)):
            self.weth.send("deposit()", sender=account, ether=10_000 * ETHER)
            self.allow(self.weth, account)
        self.chain.mine()

    def allow(self, token, account):
        if (token.address, account) not in self.approved:
            self.approved.add((token.address, account))
            token.send("approve(address,uint256)", self.desk, UNLIMITED, sender=account)

    def launch(self, label, kind, creator, *, contract="Token", name=None, symbol=None, ether=50, share=0.8):
        """A generator of three blocks: the token, its pool, its liquidity. The story is in self.tokens[label]."""
        name = label.title().encode() if name is None else name
        symbol = label[:4].upper().encode() if symbol is None else symbol
        token = self.chain.deploy(contract, name, symbol, SUPPLY, sender=creator)
        self.launchpad.send("launch(address)", token, sender=creator)
        told = {"kind": kind, "token": token.address, "creator": self.chain.account(creator), "name": name.hex(),
                "symbol": symbol.hex(), "launched": None, "pair": None, "ended": None, "contract": token, "by": creator}
        self.tokens[label] = told
        yield
        self.factory.send("createPair(address,address)", token, self.weth, sender=creator)
        self.allow(token, creator)
        yield
        told["pool"] = self.factory.at("getPair(address,address)", token, self.weth, kind="Pair")
        told["pair"] = told["pool"].address
        told["first"] = told["pool"].call("token0()")[12:].hex() == token.address[2:]
        self.add(told, int(SUPPLY * share), ether * ETHER)
        told["launched"] = self.chain.head() + 1
        yield

    def add(self, told, tokens, ether):
        amounts = (tokens, ether) if told["first"] else (ether, tokens)
        self.desk.send("add(address,uint256,uint256,address)", told["pool"], *amounts, told["creator"], sender=told["by"])

    def remove(self, told, share, last=False):
        """Takes a share of the creator's liquidity out."""
        self.allow(told["pool"], told["by"])
        have = told["pool"].number("balanceOf(address)", told["creator"])
        amount = have if share == 1 else int(have * share)
        self.desk.send("remove(address,uint256,address)", told["pool"], amount, told["creator"], sender=told["by"])
        if last:
            told["ended"] = self.chain.head() + 1

    def buy(self, told, account, ether):
        self.desk.send("trade(address,address,uint256,address)", told["pool"], self.weth, int(ether * ETHER),
                       self.chain.account(account), sender=account)

    def sell(self, told, account, share=0.5, fails=False):
        token = told["contract"]
        amount = self.spend(token, account, share)
        if amount == 0:
            return
        self.allow(token, account)
        self.desk.send("trade(address,address,uint256,address)", told["pool"], token, amount, self.chain.account(account),
                       sender=account, fails=fails)

    def give(self, told, giver, taker, share):
        """A plain transfer of a share of what the giver has."""
        amount = self.spend(told["contract"], giver, share)
        told["contract"].send("transfer(address,uint256)", self.chain.account(taker), amount, sender=giver)

    def spend(self, token, account, share):
        """A share of an account's balance, once a block; 0 the second time."""
        if (token.address, account) in self.spent:
            return 0
        self.spent.add((token.address, account))
        return int(token.number("balanceOf(address)", self.chain.account(account)) * share)

    def trade(self, told, traders, sells=0.4, fails=False):
        """One of the traders buys or sells."""
        account = self.random.choice(traders)
        if self.random.random() < sells:
            self.sell(told, account, self.random.choice((0.3, 0.5, 1)), fails=fails)
        else:
            self.buy(told, account, self.random.choice((0.1, 0.25, 0.5, 1)))


# The actors.

def honest(market, label, creator, protect, blocks):
    """Many traders both ways; the creator locks or burns most of the liquidity."""
    yield from market.launch(label, "honest", creator, ether=200)
    told = market.tokens[label]
    have = told["pool"].number("balanceOf(address)", told["creator"])
    for place, amount in protect(have):
        told["pool"].send("transfer(address,uint256)", place, amount, sender=creator)
    for _ in range(blocks):
        for _ in range(market.random.randint(0, 3)):
            market.trade(told, TRADERS)
        if market.random.random() < 0.2:
            giver, taker = market.random.sample(TRADERS, 2)
            market.give(told, giver, taker, 0.3)
        yield


def slow_rug(market, label, creator, blocks):
    """Liquidity drained in many small steps, while trading goes on."""
    yield from market.launch(label, "slow rug", creator)
    told = market.tokens[label]
    for block in range(blocks):
        market.trade(told, TRADERS, sells=0.25)
        if block >= 15 and block % 5 == 0:
            market.remove(told, 0.25)
        yield
    market.remove(told, 1, last=True)
    yield


def fast_rug(market, label, creator, after=20):
    """All liquidity removed at once, `after` blocks after launch."""
    yield from market.launch(label, "fast rug", creator)
    told = market.tokens[label]
    for _ in range(after - 1):
        market.trade(told, TRADERS, sells=0.1)
        yield
    market.remove(told, 1, last=True)
    yield


def trap(market, label, creator, blocks):
    """Everybody can buy, nobody can sell; in the end the creator sells and takes the liquidity."""
    yield from market.launch(label, "trap", creator, contract="TrapToken")
    told = market.tokens[label]
    told["contract"].send("setPool(address)", told["pool"], sender=creator)
    for _ in range(blocks):
        market.trade(told, TRADERS, sells=0.3, fails=True)
        yield
    market.sell(told, creator, 1)
    yield
    market.remove(told, 1, last=True)
    yield


def wash(market, label, creator, blocks):
    """Three wallets sell to each other through the pool, and hardly anybody else trades."""
    yield from market.launch(label, "wash", creator)
    told = market.tokens[label]
    told["wallets"] = [market.chain.account(washer) for washer in WASHERS]
    for block in range(blocks):
        giver, taker = WASHERS[block % 3], WASHERS[(block + 1) % 3]
        market.buy(told, giver, 2)
        if block % 2:
            market.sell(told, taker, 1)
        market.give(told, giver, taker, 0.5)
        yield


def mint_and_dump(market, label, creator, after):
    """The owner makes as much again of the token, and sells it."""
    yield from market.launch(label, "mint", creator, contract="MintableToken")
    told = market.tokens[label]
    for _ in range(after):
        market.trade(told, TRADERS, sells=0.2)
        yield
    told["contract"].send("mint(address,uint256)", told["creator"], 10 * SUPPLY, sender=creator)
    yield
    market.sell(told, creator, 1)
    told["ended"] = market.chain.head() + 1
    yield


def names(market, creator):
    """Tokens whose names try to break whoever shows them."""
    for label, (name, symbol) in HOSTILE_NAMES.items():
        yield from market.launch(f"name: {label}", "name", creator, name=name, symbol=symbol, ether=5, share=0.5)
        market.buy(market.tokens[f"name: {label}"], market.random.choice(TRADERS), 0.1)
        yield


def oddities(market, sender):
    """Events that decoders stumble over; see contracts/Odd.sol."""
    chain, account = market.chain, market.chain.accounts[sender]
    art = chain.deploy("Collectible", sender=sender)
    old = chain.deploy("OldToken", sender=sender)
    odd = chain.deploy("Odd", sender=sender)
    yield
    for number in range(3):
        art.send("mint(address,uint256)", account, number, sender=sender)
    art.send("transferFrom(address,address,uint256)", account, chain.accounts[0], 1, sender=sender)
    old.send("transfer(address,uint256)", DEAD, 12345, sender=sender)
    yield
    odd.send("hidden(uint256)", 7, sender=sender)
    odd.send("named(string,bytes)", b"\xffnot text\0", b"raw bytes", sender=sender)
    odd.send("small(bool)", True, sender=sender)
    odd.send("small(bool)", False, sender=sender)
    yield
    odd.send("listed(uint256,address[],uint256[2][])", 1, [account, DEAD], [[1, 2**255], [3, 4]], sender=sender)
    odd.send("listed(uint256,address[],uint256[2][])", 2, [], [], sender=sender)
    odd.send("basket(uint256,address,string,uint256)", 9, account, "<b>note</b>", 3, sender=sender)
    odd.send("basket(uint256,address,string,uint256)", 10, account, b"", 0, sender=sender)
    odd.send("unnamed(uint256,string)", UNLIMITED, "text", sender=sender)
    yield
    transfer = bytes.fromhex(odd.chain.contracts["Token"]["events"][
        "event Transfer(address indexed from, address indexed to, uint256 value)"][2:])
    word = bytes(12) + bytes.fromhex(account[2:])
    for topics, data in [([], b""), ([b"\1" * 32] * 4, b"abc"), ([transfer, b"\xee" * 12 + word[12:], word], bytes(31) + b"\5"),
                         ([transfer, word, word], bytes(31)), ([transfer, word, word], bytes(64)), ([transfer, word], bytes(32)),
                         ([transfer], b"")]:
        odd.send("raw(bytes32[],bytes)", topics, data, sender=sender)
    yield


def noise(market, sender, logs, blocks):
    """Very many transfers of no token."""
    spammer = market.chain.deploy("Spammer", sender=sender)
    yield
    for seed in range(blocks):
        spammer.send("spam(uint256,uint256)", logs, seed + 1, sender=sender)
        yield


def lock_most(have):
    return [(LOCKER, have * 9 // 10)]


def burn_half(have):
    return [(DEAD, have // 2)]


def cast(market, spam):
    """Who acts from which block on: [(first block, actor), ...]."""
    actors = [
        (0, honest(market, "steady", 1, lock_most, 110)),
        (3, honest(market, "casual", 2, burn_half, 100)),
        (6, slow_rug(market, "slow rug", 3, 75)),
        (10, fast_rug(market, "fast rug", 4)),
        (14, trap(market, "trap", 5, 60)),
        (18, wash(market, "wash", 6, 60)),
        (24, mint_and_dump(market, "mint", 7, 40)),
        (30, names(market, 8)),
        (36, oddities(market, 9)),
        (50, fast_rug(market, "fast rug again", 4)),
    ]
    return actors + ([(1, noise(market, 38, spam, 100))] if spam else [])


def step(market, actors, number):
    """Everybody who is on acts; those who are done leave."""
    market.spent.clear()
    for actor in list(actors):
        if actor[0] <= number and next(actor[1], "done") == "done":
            actors.remove(actor)


def ghost_branch(market, depth, mined):
    """Blocks that will be taken back: the casual token's creator robs everybody, and a token is born that never was."""
    casual = dict(market.tokens["casual"])
    approved = set(market.approved)
    ghost = market.chain.deploy("Token", b"Ghost", b"GHO", SUPPLY, sender=GHOST)
    market.launchpad.send("launch(address)", ghost, sender=GHOST)
    market.remove(casual, 1)
    for place in range(depth):
        market.spent.clear()
        ghost.send("transfer(address,uint256)", market.chain.accounts[10 + place % 20], ETHER, sender=GHOST)
        market.trade(market.tokens["steady"], TRADERS)
        mined()
    first = market.chain.head() - depth + 1
    market.reorg = {"depth": depth, "first": first, "token": ghost.address, "pair": casual["pair"],
                    "orphaned": [block["hash"] for block in market.chain.blocks(first)]}
    market.chain.reorg(depth)
    market.approved = approved


def play(chain, *, seed=1, seconds_per_block=0.0, spam=0, reorg_at=60, reorg_depth=5, settle=True, told=None):
    """Plays it all; the truth as a dict. told(block number) is called after each block. spam: more transfers in each block.
    settle: blocks follow until everything is final."""
    market = Market(chain, seed)
    started = time.monotonic()
    blocks = 0

    def mined():
        nonlocal blocks
        chain.mine()
        blocks += 1
        if seconds_per_block:
            # The market keeps its pace, whatever acting took.
            time.sleep(max(0.0, started + blocks * seconds_per_block - time.monotonic()))
        if told:
            told(chain.head())

    market.open()
    actors = cast(market, spam)
    number = 0
    while actors:
        if number == reorg_at:
            ghost_branch(market, reorg_depth, mined)
        step(market, actors, number)
        mined()
        number += 1
    last = chain.head()
    if settle:
        chain.mine(FINALITY + 1)
    public = {label: {name: value for name, value in token.items() if not isinstance(value, Contract) and name not in ("by", "first")}
              for label, token in market.tokens.items()}
    return {"tokens": public, "reorg": market.reorg, "last": last, "weth": market.weth.address, "factory": market.factory.address,
            "launchpad": market.launchpad.address, "locker": LOCKER}
