from tests.service.shop import shop, shop_address

__all__ = ["shop", "shop_address"]
