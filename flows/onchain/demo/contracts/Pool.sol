// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

// A market maker with constant product whose events are those of Uniswap V2, and a desk that trades through it.

import "./Token.sol";

interface IToken {
    function name() external view returns (string memory);
    function symbol() external view returns (string memory);
    function balanceOf(address) external view returns (uint256);
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

contract Factory {
    event PairCreated(address indexed token0, address indexed token1, address pair, uint256);

    mapping(address => mapping(address => address)) public getPair;
    address[] public allPairs;

    function createPair(address a, address b) external returns (address) {
        require(a != b && getPair[a][b] == address(0), "pair");
        (address low, address high) = a < b ? (a, b) : (b, a);
        address pair = address(new Pair(low, high));
        getPair[a][b] = pair;
        getPair[b][a] = pair;
        allPairs.push(pair);
        emit PairCreated(low, high, pair, allPairs.length);
        return pair;
    }
}

contract Pair is Token {
    event Mint(address indexed sender, uint256 amount0, uint256 amount1);
    event Burn(address indexed sender, uint256 amount0, uint256 amount1, address indexed to);
    event Swap(address indexed sender, uint256 amount0In, uint256 amount1In, uint256 amount0Out, uint256 amount1Out, address indexed to);
    event Sync(uint112 reserve0, uint112 reserve1);

    uint256 public constant LOCKED_FOR_EVER = 1000;

    IToken public immutable token0;
    IToken public immutable token1;
    uint112 public reserve0;
    uint112 public reserve1;

    constructor(address token0_, address token1_) Token("Liquidity", "LP", 0) {
        token0 = IToken(token0_);
        token1 = IToken(token1_);
    }

    // What was paid in above the reserves becomes liquidity of `to`.
    function mint(address to) external returns (uint256 liquidity) {
        uint256 in0 = token0.balanceOf(address(this)) - reserve0;
        uint256 in1 = token1.balanceOf(address(this)) - reserve1;
        if (totalSupply == 0) {
            liquidity = root(in0 * in1) - LOCKED_FOR_EVER;
            create(address(0), LOCKED_FOR_EVER);
        } else {
            liquidity = least(in0 * totalSupply / reserve0, in1 * totalSupply / reserve1);
        }
        require(liquidity > 0, "nothing paid in");
        create(to, liquidity);
        settle();
        emit Mint(msg.sender, in0, in1);
    }

    // The liquidity that was sent here is paid out to `to`.
    function burn(address to) external returns (uint256 out0, uint256 out1) {
        uint256 liquidity = balanceOf[address(this)];
        out0 = liquidity * token0.balanceOf(address(this)) / totalSupply;
        out1 = liquidity * token1.balanceOf(address(this)) / totalSupply;
        require(out0 > 0 && out1 > 0, "nothing to pay out");
        destroy(address(this), liquidity);
        token0.transfer(to, out0);
        token1.transfer(to, out1);
        settle();
        emit Burn(msg.sender, out0, out1, to);
    }

    // Pays out first; afterwards the product must not have shrunk, three thousandths of what came in left aside.
    function swap(uint256 out0, uint256 out1, address to) external {
        (uint256 had0, uint256 had1) = (reserve0, reserve1);
        require((out0 > 0 || out1 > 0) && out0 < had0 && out1 < had1, "amount");
        if (out0 > 0) token0.transfer(to, out0);
        if (out1 > 0) token1.transfer(to, out1);
        uint256 has0 = token0.balanceOf(address(this));
        uint256 has1 = token1.balanceOf(address(this));
        uint256 in0 = has0 > had0 - out0 ? has0 - (had0 - out0) : 0;
        uint256 in1 = has1 > had1 - out1 ? has1 - (had1 - out1) : 0;
        require((has0 * 1000 - in0 * 3) * (has1 * 1000 - in1 * 3) >= had0 * had1 * 1000000, "product");
        settle();
        emit Swap(msg.sender, in0, in1, out0, out1, to);
    }

    function settle() private {
        uint256 has0 = token0.balanceOf(address(this));
        uint256 has1 = token1.balanceOf(address(this));
        require(has0 <= type(uint112).max && has1 <= type(uint112).max, "overflow");
        reserve0 = uint112(has0);
        reserve1 = uint112(has1);
        emit Sync(reserve0, reserve1);
    }

    function least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    function root(uint256 x) private pure returns (uint256 y) {
        y = x;
        for (uint256 next = x / 2 + 1; next < y; next = (x / next + next) / 2) y = next;
    }
}

// Does in one transaction what a trader wants; whoever uses it has approved it before.
contract Desk {
    function add(Pair pair, uint256 amount0, uint256 amount1, address to) external {
        pair.token0().transferFrom(msg.sender, address(pair), amount0);
        pair.token1().transferFrom(msg.sender, address(pair), amount1);
        pair.mint(to);
    }

    function remove(Pair pair, uint256 liquidity, address to) external {
        pair.transferFrom(msg.sender, address(pair), liquidity);
        pair.burn(to);
    }

    function trade(Pair pair, address give, uint256 amount, address to) external {
        bool first = address(pair.token0()) == give;
        (uint256 mine, uint256 other) = first ? (pair.reserve0(), pair.reserve1()) : (pair.reserve1(), pair.reserve0());
        uint256 paid = amount * 997;
        uint256 got = paid * other / (mine * 1000 + paid);
        IToken(give).transferFrom(msg.sender, address(pair), amount);
        pair.swap(first ? 0 : got, first ? got : 0, to);
    }
}

// Tells the world about a new token, in its maker's words.
contract Launchpad {
    event TokenLaunched(address indexed token, address indexed creator, string name, string symbol);

    function launch(IToken token) external {
        emit TokenLaunched(address(token), msg.sender, token.name(), token.symbol());
    }
}
