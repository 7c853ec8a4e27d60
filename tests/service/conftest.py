from tests.service.shop import patient, shop, shop_address

__all__ = ["patient", "shop", "shop_address"]
