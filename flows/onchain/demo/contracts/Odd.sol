// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

// Events that decoders stumble over, and a contract that makes very many.

contract Collectible {
    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);

    mapping(uint256 => address) public ownerOf;

    function mint(address to, uint256 id) external {
        require(ownerOf[id] == address(0), "taken");
        ownerOf[id] = to;
        emit Transfer(address(0), to, id);
    }

    function transferFrom(address from, address to, uint256 id) external {
        require(ownerOf[id] == from && msg.sender == from, "owner");
        ownerOf[id] = to;
        emit Transfer(from, to, id);
    }
}

// As some contracts of 2016 did: the same topic, nothing indexed.
contract OldToken {
    event Transfer(address from, address to, uint256 value);

    function transfer(address to, uint256 value) external {
        emit Transfer(msg.sender, to, value);
    }
}

contract Odd {
    struct Item {
        address token;
        uint256 amount;
        string note;
    }

    event Hidden(address indexed who, uint256 value) anonymous;
    event Named(string indexed hashed, string name, bytes indexed hashedBytes, bytes raw);
    event Listed(uint256 indexed id, address[] tokens, uint256[2][] pairs, bool[3] flags);
    event Basket(uint256 indexed id, Item one, Item[] more, Item indexed hashed);
    event Small(int8 a, uint56 b, int56 c, uint64 d, int64 e, int256 f, bool g, bytes4 h, bytes32 i, uint8 indexed j);
    event Unnamed(address indexed, uint256, string);
    event Nothing();

    function hidden(uint256 value) external {
        emit Hidden(msg.sender, value);
    }

    function named(string calldata name, bytes calldata raw) external {
        emit Named(name, name, raw, raw);
    }

    function listed(uint256 id, address[] calldata tokens, uint256[2][] calldata pairs) external {
        emit Listed(id, tokens, pairs, [true, false, true]);
    }

    function basket(uint256 id, address token, string calldata note, uint256 count) external {
        Item[] memory more = new Item[](count);
        for (uint256 i = 0; i < count; i++) more[i] = Item(token, i, note);
        emit Basket(id, Item(token, id, note), more, Item(token, id, note));
    }

    function small(bool low) external {
        if (low) {
            emit Small(-128, 0, type(int56).min, 0, type(int64).min, type(int256).min, false, 0, 0, 0);
        } else {
            emit Small(127, type(uint56).max, type(int56).max, type(uint64).max, type(int64).max, type(int256).max, true, 0xdeadbeef, bytes32(type(uint256).max), 255);
        }
    }

    function unnamed(uint256 value, string calldata text) external {
        emit Unnamed(msg.sender, value, text);
        emit Nothing();
    }

    // Any log at all: dirty padding, truncated data, none or four topics.
    function raw(bytes32[] calldata topics, bytes calldata content) external {
        bytes memory data = content;
        uint256 count = topics.length;
        bytes32[4] memory t;
        for (uint256 i = 0; i < count; i++) t[i] = topics[i];
        assembly {
            let at := add(data, 32)
            let size := mload(data)
            switch count
            case 0 { log0(at, size) }
            case 1 { log1(at, size, mload(t)) }
            case 2 { log2(at, size, mload(t), mload(add(t, 32))) }
            case 3 { log3(at, size, mload(t), mload(add(t, 32)), mload(add(t, 64))) }
            default { log4(at, size, mload(t), mload(add(t, 32)), mload(add(t, 64)), mload(add(t, 96))) }
        }
    }
}

// Emits n transfers of no token: a block full of logs in one transaction. Holders are 4,096 made-up addresses.
contract Spammer {
    event Transfer(address indexed from, address indexed to, uint256 value);

    function spam(uint256 n, uint256 seed) external {
        unchecked {
            uint256 x = seed;
            for (uint256 i = 0; i < n; i++) {
                x = x * 6364136223846793005 + 1442695040888963407;
                emit Transfer(holder(x >> 33), holder(x >> 45), x & type(uint64).max);
            }
        }
    }

    function holder(uint256 x) private pure returns (address) {
        return address(uint160((1 << 156) | ((x & 4095) + 1)));
    }
}
